/* The life of a vCPU between the scheduler and the guest. */
#pragma once

struct vcpu;

/* Runs a runnable vCPU until it must wait or its processor is wanted for something else. */
void vcpu_run(struct vcpu *vcpu);
