/* The engine's helper threads (its compilers, its allocator's cleaner) yield to everything: what they do can wait, and the kernel would let one that compiles
 * keep a core for milliseconds while a gateway is ready to run. Done under the engine's feet, as the clock is (freeze.h): the executable defines
 * pthread_create, and each thread that begins lowers its own priority first. */
#ifndef ER_SANDBOX_HELPERS_H
#define ER_SANDBOX_HELPERS_H

/* Of helper threads; the filter of system calls lets a thread give itself this and no other. */
enum { ER_HELPER_NICE = 12 };

#endif
