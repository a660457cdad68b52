/*
 * What GDB says to a guest and what it is answered (GDB manual, appendix E): packets in, packets out, and a
 * target that does it. The processors are its threads, numbered from 1.
 */
#pragma once

#include "debug.h"
#include "gdb_packet.h"
#include "gdb_registers.h"

/* The guest. Functions that return false have failed, which GDB is told. vcpu is one that there is. */
struct gdb_target {
    bool (*get)(void *context, unsigned vcpu, struct vcpu_state *state);
    bool (*set)(void *context, unsigned vcpu, const struct vcpu_gpr *gpr);
    /* How many bytes were there. */
    size_t (*read)(void *context, unsigned vcpu, uint64_t address, uint8_t *bytes, size_t length);
    bool (*write)(void *context, unsigned vcpu, uint64_t address, const uint8_t *bytes, size_t length);
    bool (*breakpoint)(void *context, bool insert, enum debug_breakpoint kind, uint64_t address,
                       size_t length);
    /* Bits of vCPUs: that do one instruction, that run. */
    bool (*go)(void *context, uint32_t steps, uint32_t runs);
};

struct gdb_session {
    const struct gdb_target *target;
    void *context;
    bool wide;
    unsigned vcpus;
    struct debug_state stop; /* the last one */
    unsigned selected;       /* vCPU of the packets that name none */
    char *description;       /* target.xml */
    bool no_ack, acks_ended; /* from the next packet on; from now on */
    bool running;            /* GDB waits for a stop */
    bool detached;           /* GDB has said good-bye */
    char reply[GDB_PACKET_MAX + 1];
    size_t reply_length;
};

void gdb_session_open(struct gdb_session *session, const struct gdb_target *target, void *context, bool wide,
                      const struct debug_state *stop);
void gdb_session_close(struct gdb_session *session);
/* Takes a packet; its answer is session->reply, unless running or detached by it. */
void gdb_session_packet(struct gdb_session *session, const char *packet, size_t length);
/* The guest has stopped: the answer that GDB waits for is session->reply. */
void gdb_session_stopped(struct gdb_session *session, const struct debug_state *stop);
