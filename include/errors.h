/* Error codes that cross a layer: negative, zero is success. */
#pragma once

enum nr_error {
    NR_OK = 0,
    NR_EINVAL = -1,  /* an argument is out of its range */
    NR_ENOMEM = -2,  /* no frame or table is left */
    NR_EFAULT = -3,  /* an address is not mapped, or not the caller's */
    NR_ENOENT = -4,  /* no such thing */
    NR_ENOSPC = -6,  /* a reserve paid at creation is used up */
    NR_EAGAIN = -7,  /* not finished; call again with the cursor */
    NR_EPERM = -8,   /* not for this caller */
    NR_ENOTSUP = -9, /* the processor or this version cannot do it */
};
