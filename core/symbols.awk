# From `nm -n` to NASM source: the functions of .text, for the back-trace of a panic.
/ [tT] [a-z_][a-zA-Z0-9_]*$/ && $1 >= "ffffffff80000000" { if ($3 == "text_start") base = $1; if ($3 !~ /^(text_start|text_end)$/) { address[n] = $1; name[n++] = $3 } }
END {
    print "section .symbols progbits alloc noexec nowrite align=8"
    print "global symbol_count, symbol_table, symbol_names"
    print "extern text_start"
    print "symbol_count: dd " n + 0
    print "align 4"
    print "symbol_table:"
    at = 0
    for (i = 0; i < n; i++) { printf "dd 0x%s - 0x%s, %d\n", address[i], base, at; at += length(name[i]) + 1 }
    print "symbol_names:"
    for (i = 0; i < n; i++) printf "db \"%s\", 0\n", name[i]
    print "db 0"
}
