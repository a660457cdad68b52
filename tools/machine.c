/* The table of machines, and the building of their command lines. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "machine.h"
#include "nr.h"

static const struct machine machine_kvm = {
    .name = "kvm",
    .refusal = "nested KVM cannot be used by this version; use svm",
};

/* The first is the default. */
static const struct machine *const machines[] = {
    &machine_svm,       &machine_svm_no_npt,   &machine_native, &machine_vmx,
    &machine_bochs_svm, &machine_native_bochs, &machine_kvm,
};

enum { MACHINE_COUNT = sizeof(machines) / sizeof(machines[0]) };

/* Ends in its whole name, or in NULL after an error. */
static const char *model_find(const char *name, const char *part, const char *const *models)
{
    const char *found = NULL;
    char *list = nr_format("%s", "");
    unsigned matches = 0;

    for (; *models != NULL; models++) {
        if (strcmp(*models, part) == 0) {
            free(list);
            return *models;
        }
        bool match = *part != '\0' && strstr(*models, part) != NULL;
        if (match && matches++ == 0)
            found = *models;
        char *longer = nr_format("%s%s%s", list, *list != '\0' ? ", " : "", *models);
        free(list);
        list = longer;
    }
    if (matches != 1)
        nr_say("--machine %s: %s; the models are %s", name,
               matches == 0 ? "there is no such model" : "more than one model is called so", list);
    free(list);
    return matches == 1 ? found : NULL;
}

const struct machine *machine_find(const char *name, const char **model)
{
    const struct machine *found = NULL;
    const char *part = NULL;

    *model = NULL;
    if (name == NULL)
        return machines[0];
    for (size_t i = 0; i < MACHINE_COUNT; i++) {
        size_t length = strlen(machines[i]->name);
        if (strncmp(name, machines[i]->name, length) != 0)
            continue;
        if (name[length] == '\0' || (name[length] == ':' && machines[i]->models != NULL)) {
            found = machines[i];
            part = name[length] == ':' ? name + length + 1 : NULL;
        }
    }
    if (found == NULL) {
        nr_say("--machine %s: there is no such machine; there are svm, svm:no-npt, vmx[:MODEL], "
               "bochs-svm[:MODEL], "
               "native and native:bochs[:MODEL]",
               name);
        return NULL;
    }
    if (found->refusal != NULL) {
        nr_say("--machine %s: %s", name, found->refusal);
        return NULL;
    }
    if (found->models != NULL)
        *model = part == NULL ? found->models[0] : model_find(name, part, found->models);
    return found->models == NULL || *model != NULL ? found : NULL;
}

/* The monitor itself, its page tables, GRUB, and what the firmware keeps. */
enum { MEMORY_BESIDE_GUESTS_MIB = 128, MEMORY_STEP_MIB = 64, MIB_SHIFT = 20 };

unsigned machine_memory_mib(const struct machine_run *run, bool monitor)
{
    uint64_t mib = MEMORY_BESIDE_GUESTS_MIB;

    if (run->options->memory_mib != 0)
        return run->options->memory_mib;
    if (!monitor)
        return run->guest[0].config.memory_mib;
    /* Enough for the guests' RAM, for their files as boot modules, and for the overlays of their disks. */
    for (uint32_t i = 0; i < run->guest_count; i++) {
        const struct guest *guest = &run->guest[i];
        mib += guest->config.memory_mib;
        for (uint32_t j = 0; j < guest->file_count; j++)
            mib += (guest->file[j].size >> MIB_SHIFT) + 1 +
                   (guest->file[j].kind == FILE_FLOPPY ? GUEST_FLOPPY_OVERLAY_MIB : 0);
        for (uint32_t j = 0; j < guest->config.disk_count; j++)
            mib += guest->config.disk[j].overlay_mib;
    }
    return (unsigned)((mib + MEMORY_STEP_MIB - 1) / MEMORY_STEP_MIB * MEMORY_STEP_MIB);
}

unsigned machine_cpus(const struct machine_run *run, bool monitor)
{
    unsigned cpus = 1;

    if (run->options->cpus != 0)
        return run->options->cpus;
    for (uint32_t i = 0; i < (monitor ? run->guest_count : 1); i++)
        if (run->guest[i].config.cpu_count > cpus)
            cpus = run->guest[i].config.cpu_count;
    return cpus;
}

char *machine_title(const struct machine_run *run, const struct machine *machine)
{
    const char *model = run->options->model;
    char *title = nr_format("%s", run->guest[0].config.name), *longer;

    for (uint32_t i = 1; i < run->guest_count && machine->monitor; i++) {
        longer = nr_format("%s, %s", title, run->guest[i].config.name);
        free(title);
        title = longer;
    }
    longer =
        nr_format("%s on %s%s%s", title, machine->name, model != NULL ? ":" : "", model != NULL ? model : "");
    free(title);
    return longer;
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
