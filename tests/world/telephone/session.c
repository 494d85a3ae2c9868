/* One fax call between two machines, in one process: two T.30 engines of libspandsp with their audio crossed.
 *
 *   session [OPTION]... SENT.tif RECEIVED.tif
 *     --from WORDS, --to WORDS  what the two machines say of themselves (TSI and CSI, 20 characters)
 *     --no-ecm                  without error correction
 *     --noise FROM MS           the line crackles for MS milliseconds, FROM milliseconds after the answer
 *     --cut MS                  the line is dead after MS milliseconds; the receiver keeps the rows it has
 *
 * Nothing here knows the time of day: a call takes as long as the computing does. What came of it is printed, one
 * line for each machine: its side, `ok` or what went wrong, pages, bits per second, and whether errors were
 * corrected. Ends with 0 when both machines were content, with 1 when not, with 2 for a wrong order. */
#define SPANDSP_EXPOSE_INTERNAL_STRUCTURES
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <spandsp.h>

enum { SENDER, RECEIVER, MACHINES };
/* 20 ms, as telephone exchanges pass audio on. */
enum { BLOCK = 160, BLOCK_MS = 20 };
/* No call of the tests is longer than an hour of line time; one that never ends shall end. */
static const long CALL_MS_MAX = 3600L * 1000;

struct order {
    const char *idents[MACHINES];
    const char *files[MACHINES];
    int is_corrected;
    long noise_from, noise_ms, cut_after;
};

struct machine {
    fax_state_t *fax;
    int has_ended;
    int result;
};

static int read_order(struct order *order, int count, char **words)
{
    int files = 0;
    for (int i = 1; i < count; i++) {
        int left = count - i - 1;
        if (!strcmp(words[i], "--no-ecm"))
            order->is_corrected = 0;
        else if (!strcmp(words[i], "--from") && left >= 1)
            order->idents[SENDER] = words[++i];
        else if (!strcmp(words[i], "--to") && left >= 1)
            order->idents[RECEIVER] = words[++i];
        else if (!strcmp(words[i], "--cut") && left >= 1)
            order->cut_after = atol(words[++i]);
        else if (!strcmp(words[i], "--noise") && left >= 2) {
            order->noise_from = atol(words[++i]);
            order->noise_ms = atol(words[++i]);
        } else if (words[i][0] != '-' && files < MACHINES)
            order->files[files++] = words[i];
        else
            return 0;
    }
    return files == MACHINES;
}

static void at_the_end(t30_state_t *t30, void *of, int result)
{
    struct machine *machine = of;
    (void) t30;
    machine->has_ended = 1;
    machine->result = result;
}

static void prepare(struct machine *machine, int side, const struct order *order)
{
    machine->fax = fax_init(NULL, side == SENDER);
    machine->result = -1;
    fax_set_transmit_on_idle(machine->fax, 1);
    t30_state_t *t30 = fax_get_t30_state(machine->fax);
    t30_set_tx_ident(t30, order->idents[side]);
    t30_set_supported_modems(t30, T30_SUPPORT_V27TER | T30_SUPPORT_V29 | T30_SUPPORT_V17);
    t30_set_supported_compressions(
        t30, T30_SUPPORT_T4_1D_COMPRESSION | T30_SUPPORT_T4_2D_COMPRESSION | T30_SUPPORT_T6_COMPRESSION);
    t30_set_supported_image_sizes(
        t30, T30_SUPPORT_215MM_WIDTH | T30_SUPPORT_255MM_WIDTH | T30_SUPPORT_UNLIMITED_LENGTH);
    t30_set_supported_resolutions(t30, T30_SUPPORT_STANDARD_RESOLUTION | T30_SUPPORT_FINE_RESOLUTION);
    t30_set_ecm_capability(t30, order->is_corrected);
    t30_set_phase_e_handler(t30, at_the_end, machine);
    if (side == SENDER)
        t30_set_tx_file(t30, order->files[side], -1, -1);
    else
        t30_set_rx_file(t30, order->files[side], -1);
}

/* Always the same crackle, so that a test sees the same page each time. */
static void crackle(int16_t *audio)
{
    static uint32_t state = 1;
    for (int i = 0; i < BLOCK; i++) {
        state = state * 1664525u + 1013904223u;
        audio[i] = (int16_t) ((int) (state >> 17) - 16384);
    }
}

/* Rows of a page reach the file only when the page ends. A machine whose line goes dead keeps what it has. */
static void keep_what_came(struct machine *receiver)
{
    t30_state_t *t30 = fax_get_t30_state(receiver->fax);
    if (t30->operation_in_progress)
        t4_rx_end_page(&t30->t4.rx);
}

static long talk(struct machine *machines, const struct order *order)
{
    long ms = 0;
    for (; ms < CALL_MS_MAX && !(machines[SENDER].has_ended && machines[RECEIVER].has_ended); ms += BLOCK_MS) {
        int16_t audio[MACHINES][BLOCK];
        memset(audio, 0, sizeof audio);
        for (int side = 0; side < MACHINES; side++)
            fax_tx(machines[side].fax, audio[side], BLOCK);
        if (ms >= order->noise_from && ms < order->noise_from + order->noise_ms)
            crackle(audio[SENDER]);
        if (order->cut_after > 0 && ms >= order->cut_after) {
            keep_what_came(&machines[RECEIVER]);
            break;
        }
        fax_rx(machines[SENDER].fax, audio[RECEIVER], BLOCK);
        fax_rx(machines[RECEIVER].fax, audio[SENDER], BLOCK);
    }
    return ms;
}

int main(int count, char **words)
{
    struct order order = { .idents = { "+49 30 111111", "+49 30 222222" }, .is_corrected = 1 };
    if (!read_order(&order, count, words)) {
        fprintf(stderr, "usage: session [OPTION]... SENT.tif RECEIVED.tif\n");
        return 2;
    }
    struct machine machines[MACHINES] = { 0 };
    for (int side = 0; side < MACHINES; side++)
        prepare(&machines[side], side, &order);
    long ms = talk(machines, &order);
    int is_content = 1;
    for (int side = 0; side < MACHINES; side++) {
        t30_stats_t stats;
        t30_state_t *t30 = fax_get_t30_state(machines[side].fax);
        t30_get_transfer_statistics(t30, &stats);
        int is_ok = machines[side].result == T30_ERR_OK;
        is_content = is_content && is_ok;
        const char *said = !machines[side].has_ended ? "the line was cut" : t30_completion_code_to_str(machines[side].result);
        printf("%s: %s; pages %d; bits %d; ecm %d; ms %ld\n", side == SENDER ? "sender" : "receiver",
               is_ok ? "ok" : said, side == SENDER ? stats.pages_tx : stats.pages_rx, stats.bit_rate,
               stats.error_correcting_mode, ms);
        fax_release(machines[side].fax);
    }
    return is_content ? 0 : 1;
}
