// The prelude's entry: the hooks that the engine calls (NATIVES.md), each of which first makes its
// request the current one.
import { cancel as cancelScope, hung, loaded, request, scheduled } from './fetch-event.js';
import { rejection, reportUncaught, turnOver } from './globals.js';
import { describe } from './report.js';
import { enter, enterScope } from './scope.js';
import { bodyData, bodyFail, bodyScope } from './node-body.js';
import { bodyCancelled, credit, writerScope } from './writer.js';
import { subAnswered, subBegun, subFail, subHead } from './fetch.js';
import { timer } from './timers.js';
import { prepareStreams } from './streams-lazy.js';
import { socketClosed, socketData } from './sockets-lazy.js';
import './data-url.js';
import './web-assembly.js';
import './finalization.js';

const switchTo = (scope) => {
	if (scope !== undefined) enterScope(scope);
};

export const hooks = {
	request,
	scheduled,
	loaded,
	timer,
	bodyData(key, chunk, fin) {
		switchTo(bodyScope(key));
		bodyData(key, chunk, fin);
	},
	bodyFail(key, kind) {
		switchTo(bodyScope(key));
		bodyFail(key, kind);
	},
	credit(key, n) {
		switchTo(writerScope(key));
		credit(key, n);
	},
	bodyCancel(key, kind) {
		switchTo(writerScope(key));
		bodyCancelled(key, kind);
	},
	subHead,
	subAnswered,
	subFail,
	subBegun,
	socketData,
	socketClosed,
	cancel(id, kind) {
		const s = enter(id);
		if (s !== undefined && !s.over) cancelScope(s, kind);
	},
	hung(id) {
		const s = enter(id);
		if (s !== undefined && !s.over) hung(s);
	},
	warm: prepareStreams,
	describe,
	rejection,
	turnOver,
	uncaught(error, fatal) {
		reportUncaught(error, fatal);
	},
};
