; The ring-3 programs, embedded page by page so that their read-only parts can be mapped as they lie here.
section .programs progbits alloc noexec nowrite align=4096
global program_device_model, program_service
program_device_model: incbin DEVICE_MODEL
align 4096
program_service: incbin SERVICE
align 4096
