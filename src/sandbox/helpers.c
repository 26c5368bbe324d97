/* The engine's helper threads (its compilers, its allocator's cleaner) yield to everything: what
 * they do can wait, and the kernel would let one that compiles keep a core for milliseconds while a
 * gateway is ready to run. Done under the engine's feet, as the clock is (freeze.h): the executable
 * defines pthread_create, and each thread that begins lowers its own priority first. The filter of
 * system calls lets a thread give itself this one and no other. */
#include "base/mem.h"
#include "base/sched.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>

typedef void *thread_main(void *);
typedef int create_fn(pthread_t *restrict, const pthread_attr_t *restrict, thread_main *, void *restrict);

typedef struct beginning {
	thread_main *run;
	void *arg;
} beginning;

static void *begin(void *arg)
{
	beginning b = *(beginning *)arg;
	er_free(arg);
	setpriority(PRIO_PROCESS, 0, ER_NICE_HELPERS); /* of this thread only, on Linux */
	return b.run(b.arg);
}

int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attr, thread_main *run, void *restrict arg)
{
	static create_fn *real;
	if (real == NULL)
		real = (create_fn *)dlsym(RTLD_NEXT, "pthread_create");
	if (real == NULL)
		return EAGAIN;
	beginning *b = ER_NEW(beginning);
	*b = (beginning){run, arg};
	int rc = real(thread, attr, begin, b);
	if (rc != 0)
		er_free(b);
	return rc;
}
