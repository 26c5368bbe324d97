/* Static files of versions on a gateway thread: before the code of their version, and as data that
 * it asks for (env.ASSETS). */
#include "gateway/worker_internal.h"

#include "http/data.h"

/* False: the exchange is its code's. */
static bool takes(er_worker *w, er_assets *files, er_exchange *x)
{
	er_assets_plan plan;
	switch (er_assets_look(files, x, files->alone, &plan)) {
	case ER_ASSETS_TAKE:
		er_assets_answer(w->assets, files, x, &plan);
		return true;
	case ER_ASSETS_WAIT:
		er_assets_wait(w->assets, files, x, er_chain_at(x->chain, ER_AT_ROUTINE));
		return true;
	case ER_ASSETS_ROUTINE:
	default:
		return false;
	}
}

void er_worker_run_routine(er_worker_door *d, er_exchange *x, const er_found *found, er_routine *r)
{
	er_worker *w = d->worker;
	x->facts.environment = (uint8_t)found->env;
	er_assets *files = er_deployment_assets(found->deployment, r);
	if (files == NULL || x->timed.on || !takes(w, files, x))
		er_exchange_pass(x, er_isolate_handler(w->isolate, r));
}

/* The files of the version that asks. The client's request holds the configuration in which it is;
 * for work that goes on without a client it is looked for by its name. */
static er_assets *files_of(const er_worker_door *d, const er_exchange *x)
{
	const er_exchange *root = x;
	while (root->parent != NULL)
		root = root->parent;
	const er_served *served = root != x ? er_served_of(root) : NULL;
	const er_deployment *of = served != NULL && served->routine != NULL && er_slice_eq(served->routine->name, x->data.routine)
	                              ? served->deployment
	                              : er_config_find(d->worker->current->config, (er_env)x->data.environment, x->data.routine);
	for (unsigned i = 0; of != NULL && i < ER_STORE_SPLIT; i++)
		if (of->version[i] != NULL && er_slice_eq(of->version[i]->version, x->data.version))
			return of->assets[i];
	return NULL;
}

/* They answer whatever it is. */
static void handle_files(void *self, er_exchange *x)
{
	er_worker_door *d = self;
	er_assets_plan plan;
	er_assets *files = files_of(d, x);
	if (files == NULL) {
		er_exchange_fail(x, 404, ER_ERR_NO_ROUTE, "files", "the version has no static files here (any more)");
		er_exchange_answer(x);
	} else if (er_assets_look(files, x, true, &plan) == ER_ASSETS_WAIT) {
		er_assets_wait(d->worker->assets, files, x, &d->data.kinds[ER_DATA_ASSETS]);
	} else {
		er_assets_answer(d->worker->assets, files, x, &plan);
	}
}

void er_worker_serve_files(er_worker_door *d)
{
	er_data_serve(&d->data, ER_DATA_ASSETS, (er_handler){.name = "files", .handle = handle_files, .self = d});
}
