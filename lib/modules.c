/* Finding boot modules by the name that `nr image` gave them: "guest:path". */
#include "modules.h"
#include "string.h"

int modules_find(const struct process_module *module, uint32_t count, const char *guest, const char *path)
{
    size_t length = strlen(guest);

    for (uint32_t i = 0; i < count; i++) {
        const char *name = module[i].name;
        if (strncmp(name, guest, length) == 0 && name[length] == ':' && strcmp(name + length + 1, path) == 0)
            return (int)i;
    }
    return MODULE_NOT_FOUND;
}
