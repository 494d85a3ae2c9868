/* A telephone exchange with fax modems on its lines, for a fax server to drive: each line is a Class 1 modem (T.31)
 * of libspandsp behind a pseudo terminal, and the audio of two lines that talk is crossed.
 *
 *   exchange [OPTION]...
 *     --speed N                 the line's time runs N times as fast as the clock (1)
 *     --line NUMBER             a line with this number, up to four
 *     --busy NUMBER             a number that is engaged
 *     --no-answer NUMBER        one that rings in vain
 *     --silent NUMBER           one where somebody lifts the receiver and says nothing
 *     --no-dial-tone NUMBER     one that finds our own line dead
 *     --drop NUMBER MS          one that rings at another line; after MS milliseconds the connection breaks
 *
 * Numbers are digits. A dialled number is the one that it ends with; what nobody has is engaged. The called line is
 * told who calls (NMBR, the number of the calling line) and which number was dialled (NDID), as ISDN tells it.
 *
 * Prints `line NUMBER DEVICE` for each line, then one line for each thing that happens: the verb and the numbers of
 * lines. Ends at SIGTERM. */
#define _GNU_SOURCE
#define SPANDSP_EXPOSE_INTERNAL_STRUCTURES
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <spandsp.h>

/* 20 ms, as telephone exchanges pass audio on. */
enum { BLOCK = 160, BLOCK_MS = 20 };
enum { LINES_MAX = 4, FATES_MAX = 16, DIGITS_MAX = 32 };
enum { NOBODY = -1 };
/* How long it takes until one hears what becomes of a call, how long the bell rests between two rings, and after
 * how long nobody has answered: in milliseconds, shorter than in life. */
enum { CONNECTS_AFTER = 500, RINGS_EVERY = 4000, RINGS_IN_VAIN = 3000 };

enum fate { RINGS, BUSY, NO_ANSWER, SILENT, NO_DIAL_TONE, DROPS };
enum state { ON_HOOK, CALLING, RINGING, TALKING, LISTENING };

struct number {
    const char *digits;
    enum fate fate;
    long drop_after;
};

struct line {
    const char *number;
    int terminal;
    int keeps_open;
    t31_state_t *modem;
    int takes_bytes;
    enum state state;
    int peer;
    enum fate fate;
    long at, drop_after;
    char dialled[DIGITS_MAX];
    int16_t audio[BLOCK];
};

static struct line lines[LINES_MAX];
static int line_count;
static struct number numbers[FATES_MAX];
static int number_count;
static double speed = 1.0;
static long now;
static volatile sig_atomic_t is_over;

static void at_signal(int signal)
{
    (void) signal;
    is_over = 1;
}

static int ends_with(const char *dialled, const char *number)
{
    size_t long_one = strlen(dialled), short_one = strlen(number);
    return short_one <= long_one && !strcmp(dialled + long_one - short_one, number);
}

static void put_down(struct line *line, int is_told)
{
    int peer = line->peer;
    line->state = ON_HOOK;
    line->peer = NOBODY;
    line->fate = RINGS;
    if (is_told)
        t31_call_event(line->modem, AT_CALL_EVENT_HANGUP);
    if (peer == NOBODY)
        return;
    printf("ended %s %s\n", line->number, lines[peer].number);
    lines[peer].peer = NOBODY;
    put_down(&lines[peer], 1);
}

/* Another line that is free: the owner of the number, and for a number that drops, any. */
static int free_line(const struct line *caller, enum fate fate)
{
    for (int i = 0; i < line_count; i++) {
        if (&lines[i] == caller || lines[i].state != ON_HOOK)
            continue;
        if (fate == DROPS || ends_with(caller->dialled, lines[i].number))
            return i;
    }
    return NOBODY;
}

static void dial(struct line *line, const char *said)
{
    size_t digits = 0;
    for (; *said && digits + 1 < DIGITS_MAX; said++)
        if (*said >= '0' && *said <= '9')
            line->dialled[digits++] = *said;
    line->dialled[digits] = 0;
    line->fate = RINGS;
    line->drop_after = 0;
    for (int i = 0; i < number_count; i++)
        if (ends_with(line->dialled, numbers[i].digits)) {
            line->fate = numbers[i].fate;
            line->drop_after = numbers[i].drop_after;
        }
    line->state = CALLING;
    line->peer = NOBODY;
    line->at = now + (line->fate == NO_ANSWER ? RINGS_IN_VAIN : CONNECTS_AFTER);
    printf("dialled %s %s\n", line->number, line->dialled);
    if (line->fate != RINGS && line->fate != DROPS)
        return;
    int called = free_line(line, line->fate);
    if (called == NOBODY) {
        line->fate = BUSY;
        return;
    }
    line->peer = called;
    lines[called].peer = (int) (line - lines);
    lines[called].state = RINGING;
    lines[called].at = line->at;
}

static int answer(struct line *line)
{
    if (line->state != RINGING)
        return -1;
    struct line *caller = &lines[line->peer];
    line->state = caller->state = TALKING;
    line->at = caller->at = now;
    printf("answered %s %s\n", line->number, caller->number);
    t31_call_event(line->modem, AT_CALL_EVENT_ANSWERED);
    t31_call_event(caller->modem, AT_CALL_EVENT_CONNECTED);
    return 0;
}

/* What the modem asks of its line. */
static int on_order(t31_state_t *modem, void *of, int order, const char *words)
{
    struct line *line = of;
    (void) modem;
    switch (order) {
    case AT_MODEM_CONTROL_CALL:
        dial(line, words ? words : "");
        return 0;
    case AT_MODEM_CONTROL_ANSWER:
        return answer(line);
    case AT_MODEM_CONTROL_ONHOOK:
    case AT_MODEM_CONTROL_HANGUP:
        if (line->state != ON_HOOK)
            put_down(line, 0);
        return 0;
    case AT_MODEM_CONTROL_CTS:
        line->takes_bytes = words != NULL;
        return 0;
    default:
        return 0;
    }
}

/* What the modem says to its computer. */
static int on_bytes(at_state_t *at, void *of, const uint8_t *bytes, size_t length)
{
    struct line *line = of;
    (void) at;
    while (length > 0 && !is_over) {
        ssize_t written = write(line->terminal, bytes, length);
        if (written > 0) {
            bytes += written;
            length -= (size_t) written;
        } else if (errno != EAGAIN && errno != EINTR) {
            return -1;
        } else {
            usleep(1000);
        }
    }
    return 0;
}

static int install(const char *number)
{
    if (line_count == LINES_MAX)
        return 0;
    struct line *line = &lines[line_count++];
    struct termios raw;
    char device[64];
    line->number = number;
    line->peer = NOBODY;
    line->takes_bytes = 1;
    /* Our own end of the terminal's other side keeps it there while no program has it open. */
    if (openpty(&line->terminal, &line->keeps_open, device, NULL, NULL))
        return 0;
    tcgetattr(line->keeps_open, &raw);
    cfmakeraw(&raw);
    tcsetattr(line->keeps_open, TCSANOW, &raw);
    fcntl(line->terminal, F_SETFL, O_NONBLOCK);
    chmod(device, 0666);
    line->modem = t31_init(NULL, on_bytes, line, on_order, line, NULL, NULL);
    t31_set_transmit_on_idle(line->modem, 1);
    printf("line %s %s\n", number, device);
    return 1;
}

static void tell_caller(struct line *line)
{
    static const int heard[] = { [BUSY] = AT_CALL_EVENT_BUSY, [NO_ANSWER] = AT_CALL_EVENT_NO_ANSWER,
                                 [SILENT] = AT_CALL_EVENT_CONNECTED, [NO_DIAL_TONE] = AT_CALL_EVENT_NO_DIALTONE };
    line->state = line->fate == SILENT ? LISTENING : ON_HOOK;
    printf("told %s %s\n", line->number, line->dialled);
    t31_call_event(line->modem, heard[line->fate]);
}

static void ring(struct line *line)
{
    struct line *caller = &lines[line->peer];
    at_reset_call_info(&line->modem->at_state);
    at_set_call_info(&line->modem->at_state, "NMBR", caller->number);
    at_set_call_info(&line->modem->at_state, "NDID", caller->dialled);
    line->at = now + RINGS_EVERY;
    t31_call_event(line->modem, AT_CALL_EVENT_ALERTING);
}

static void move_on(struct line *line)
{
    int rings = line->fate == RINGS || line->fate == DROPS;
    if (line->state == CALLING && !rings && now >= line->at)
        tell_caller(line);
    else if (line->state == RINGING && now >= line->at)
        ring(line);
    else if (line->state == TALKING && line->fate == DROPS && now >= line->at + line->drop_after) {
        printf("dropped %s\n", line->number);
        put_down(line, 1);
    }
}

static void pass_on(void)
{
    static const int16_t silence[BLOCK];
    for (int i = 0; i < line_count; i++) {
        uint8_t bytes[1024];
        if (!lines[i].takes_bytes)
            continue;
        ssize_t length = read(lines[i].terminal, bytes, sizeof bytes);
        if (length > 0)
            t31_at_rx(lines[i].modem, (const char *) bytes, (int) length);
    }
    for (int i = 0; i < line_count; i++)
        move_on(&lines[i]);
    for (int i = 0; i < line_count; i++) {
        memset(lines[i].audio, 0, sizeof lines[i].audio);
        t31_tx(lines[i].modem, lines[i].audio, BLOCK);
    }
    for (int i = 0; i < line_count; i++) {
        struct line *line = &lines[i];
        int is_heard = line->state == TALKING && line->peer != NOBODY;
        int16_t audio[BLOCK];
        memcpy(audio, is_heard ? lines[line->peer].audio : silence, sizeof audio);
        t31_rx(line->modem, audio, BLOCK);
    }
}

static int read_order(int count, char **words)
{
    static const struct { const char *word; enum fate fate; } known[] = {
        { "--busy", BUSY }, { "--no-answer", NO_ANSWER }, { "--silent", SILENT },
        { "--no-dial-tone", NO_DIAL_TONE }, { "--drop", DROPS },
    };
    for (int i = 1; i < count; i++) {
        const char *word = words[i];
        if (i + 1 == count)
            return 0;
        const char *value = words[++i];
        if (!strcmp(word, "--speed")) {
            speed = atof(value);
            continue;
        }
        if (!strcmp(word, "--line")) {
            if (!install(value))
                return 0;
            continue;
        }
        size_t at = 0;
        while (at < sizeof known / sizeof *known && strcmp(word, known[at].word))
            at++;
        if (at == sizeof known / sizeof *known || number_count == FATES_MAX)
            return 0;
        struct number *number = &numbers[number_count++];
        number->digits = value;
        number->fate = known[at].fate;
        if (number->fate == DROPS) {
            if (i + 1 == count)
                return 0;
            number->drop_after = atol(words[++i]);
        }
    }
    return line_count > 0 && speed > 0.0;
}

static double seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}

int main(int count, char **words)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGTERM, at_signal);
    signal(SIGINT, at_signal);
    if (!read_order(count, words)) {
        fprintf(stderr, "exchange: wrong order, or no terminal\n");
        return 2;
    }
    double begun = seconds();
    while (!is_over) {
        pass_on();
        now += BLOCK_MS;
        double ahead = begun + (double) now / 1000.0 / speed - seconds();
        if (ahead > 0.0)
            usleep((useconds_t) (ahead * 1e6));
    }
    return 0;
}
