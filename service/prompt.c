/*
 * The monitor's key, Ctrl-a, and its prompt on the serial port. Long answers come line by line, as the port
 * takes them.
 */
#include "format.h"
#include "service.h"
#include "string.h"
#include "syscall.h"

enum {
    KEY_MONITOR = 0x01,
    KEY_BACKSPACE = 0x08,
    KEY_DELETE = 0x7f,
    COMMAND_SIZE = 64,
    TEXT_SIZE = 200,
    LINES_MAX = 16
};

static const char *const help[] = {
    "Ctrl-a h  this help             Ctrl-a n  input to the next guest",
    "Ctrl-a b  send a break          Ctrl-a Ctrl-a  send one Ctrl-a",
    "Ctrl-a m  the monitor's prompt  Ctrl-a x  power the machine off",
};
static const char *const commands_help[] = {
    "list          the guests and their states",
    "info NAME     exits, upcalls, overlay",
    "why NAME      the last exits, in words",
    "needs NAME    what it touched and nobody has",
    "power NAME    press its power button",
    "reset NAME    press its reset button",
    "destroy NAME  end it",
    "quit          back to the guest (also an empty line)",
};

static bool key_pending, open;
static char command[COMMAND_SIZE];
static uint32_t command_length;

/* The answer that is being printed: a function of the guest and the line's number; false at its end. */
typedef bool answer_line(uint32_t guest, uint32_t index, char *text, size_t size);
static answer_line *answer;
static uint32_t answer_guest, answer_index;

static void start_answer(answer_line *how, uint32_t guest)
{
    answer = how;
    answer_guest = guest;
    answer_index = 0;
}

static bool help_line(uint32_t guest, uint32_t index, char *text, size_t size)
{
    (void)guest;
    if (index >= sizeof help / sizeof help[0])
        return false;
    format_text(text, size, "%s", help[index]);
    return true;
}

static bool commands_line(uint32_t guest, uint32_t index, char *text, size_t size)
{
    (void)guest;
    if (index >= sizeof commands_help / sizeof commands_help[0])
        return false;
    format_text(text, size, "%s", commands_help[index]);
    return true;
}

static bool list_line(uint32_t guest, uint32_t index, char *text, size_t size)
{
    (void)guest;
    if (index >= service.guest_count)
        return false;
    format_text(text, size, "%c %-24s %s", index == console_focus() ? '*' : ' ', service.guest[index].name,
                report_status(index));
    return true;
}

static void end_guest(uint32_t guest, enum guest_end end)
{
    if (sys_guest_end(end, guest) != 0)
        console_print("the monitor refused it\r\n");
}

static void run_command(void)
{
    static const struct {
        const char *name;
        answer_line *how;
    } answers[] = {{"info", report_info_line}, {"why", report_why_line}, {"needs", report_needs_line}};
    char *argument = strchr(command, ' ');
    int guest = (int)console_focus();

    if (argument != NULL) {
        *argument++ = '\0';
        guest = guests_find(argument);
    }
    if (command[0] == '\0' || strcmp(command, "quit") == 0) {
        open = false;
    } else if (strcmp(command, "list") == 0) {
        start_answer(list_line, 0);
    } else if (strcmp(command, "help") == 0) {
        start_answer(commands_line, 0);
    } else if (guest < 0 || (uint32_t)guest >= service.guest_count) {
        console_print("no guest is called \"%s\"; list shows them\r\n", argument != NULL ? argument : "");
    } else if (strcmp(command, "power") == 0) {
        guests_press_power((uint32_t)guest);
    } else if (strcmp(command, "reset") == 0) {
        end_guest((uint32_t)guest, GUEST_END_RESET);
    } else if (strcmp(command, "destroy") == 0) {
        end_guest((uint32_t)guest, GUEST_END_DESTROY);
    } else {
        for (unsigned i = 0; i < sizeof answers / sizeof answers[0]; i++) {
            if (strcmp(command, answers[i].name) == 0) {
                start_answer(answers[i].how, (uint32_t)guest);
                return;
            }
        }
        console_print("no command \"%s\"; help lists them\r\n", command);
    }
}

static void show_prompt(void)
{
    if (open && answer == NULL)
        console_print("nullring> ");
}

static void edit_command(uint8_t byte)
{
    if (byte == '\r' || byte == '\n') {
        console_print("\r\n");
        command[command_length] = '\0';
        command_length = 0;
        run_command();
        show_prompt();
    } else if (byte == KEY_BACKSPACE || byte == KEY_DELETE) {
        if (command_length > 0) {
            command_length--;
            console_print("\b \b");
        }
    } else if (byte >= ' ' && byte < KEY_DELETE && command_length < COMMAND_SIZE - 1) {
        command[command_length++] = (char)byte;
        console_print("%c", byte);
    }
}

static void take_key(uint8_t byte)
{
    switch (byte) {
    case 'h':
        console_print("\r\n");
        start_answer(help_line, 0);
        break;
    case 'n':
        console_focus_next();
        break;
    case 'b':
        console_send_break(console_focus());
        break;
    case 'm':
        open = true;
        console_print("\r\n");
        show_prompt();
        break;
    case 'x':
        service_log("powered off from the console");
        sys_machine_end(0);
        break;
    case KEY_MONITOR:
        console_give(console_focus(), KEY_MONITOR);
        break;
    default:
        break;
    }
}

bool prompt_take(uint8_t byte)
{
    if (key_pending) {
        key_pending = false;
        take_key(byte);
        return true;
    }
    if (byte == KEY_MONITOR) {
        key_pending = true;
        return true;
    }
    if (!open)
        return false;
    if (answer == NULL)
        edit_command(byte); /* may close the prompt; this byte was still for it */
    return true;
}

bool prompt_is_open(void)
{
    return open || answer != NULL;
}

void prompt_run(void)
{
    char text[TEXT_SIZE];

    for (unsigned i = 0; answer != NULL && i < LINES_MAX && console_has_room(); i++) {
        if (answer(answer_guest, answer_index++, text, sizeof text)) {
            if (text[0] != '\0')
                console_print("%s\r\n", text);
        } else {
            answer = NULL;
            show_prompt();
        }
    }
    if (answer != NULL)
        service_wake_after(1);
}
