/* The table of machines, and the building of their command lines. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "machine.h"
#include "nr.h"

static const struct machine machine_vmx = {
    .name = "vmx",
    .refusal = "the monitor has no VT-x backend yet; use svm",
};
static const struct machine machine_bochs_svm = {
    .name = "bochs-svm",
    .refusal = "Bochs cannot be started by this version; use svm",
};
static const struct machine machine_kvm = {
    .name = "kvm",
    .refusal = "nested KVM cannot be used by this version; use svm",
};

/* The first is the default. */
static const struct machine *const machines[] = {
    &machine_svm, &machine_svm_no_npt, &machine_native, &machine_vmx, &machine_bochs_svm, &machine_kvm,
};

enum { MACHINE_COUNT = sizeof(machines) / sizeof(machines[0]) };

const struct machine *machine_find(const char *name)
{
    const struct machine *found = NULL;

    if (name == NULL)
        return machines[0];
    for (size_t i = 0; i < MACHINE_COUNT; i++) {
        size_t length = strlen(machines[i]->name);
        bool exact = strcmp(name, machines[i]->name) == 0;
        bool model = machines[i]->refusal != NULL && strncmp(name, machines[i]->name, length) == 0 &&
                     name[length] == ':';
        if (exact || model)
            found = machines[i];
    }
    if (found == NULL) {
        nr_say("--machine %s: there is no such machine; there are svm, svm:no-npt and native", name);
        return NULL;
    }
    if (found->refusal != NULL) {
        nr_say("--machine %s: %s", name, found->refusal);
        return NULL;
    }
    return found;
}

void machine_add(struct machine_command *command, const char *first, ...)
{
    va_list words;

    va_start(words, first);
    for (const char *word = first; word != NULL; word = va_arg(words, const char *)) {
        if (command->count == MACHINE_ARGUMENTS_MAX - 1) {
            fputs("nr: the emulator's command line is too long\n", stderr);
            exit(NR_UNEXPECTED);
        }
        command->arguments[command->count++] = nr_format("%s", word);
    }
    va_end(words);
}

void machine_add_words(struct machine_command *command, const char *text)
{
    char *copy = nr_format("%s", text);

    for (char *save = NULL, *word = strtok_r(copy, " ", &save); word != NULL;
         word = strtok_r(NULL, " ", &save))
        machine_add(command, word, NULL);
    free(copy);
}

void machine_free(struct machine_command *command)
{
    for (size_t i = 0; i < command->count; i++)
        free(command->arguments[i]);
    command->count = 0;
}
