/*
 * Leaves of CPUID, for all layers (SDM Vol. 2A, CPUID; AMD APM Vol. 3, appendix E).
 */
#pragma once

#define LEAF_VENDOR       0u
#define LEAF_FEATURES     1u
#define LEAF_STRUCTURED   7u
#define LEAF_TOPOLOGY     0xbu
#define LEAF_XSAVE        0xdu
#define LEAF_HYPERVISOR   0x40000000u
#define LEAF_MAX_EXTENDED 0x80000000u
#define LEAF_EXTENDED     0x80000001u
#define LEAF_POWER        0x80000007u
#define LEAF_SIZES        0x80000008u
#define LEAF_SVM          0x8000000au

#define EXTENDED_EDX_1G_PAGES (1u << 26)
