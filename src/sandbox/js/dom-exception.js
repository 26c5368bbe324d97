// DOMException (Web IDL 2.8). A real Error underneath: it has a stack and looks like an error to
// whoever checks.
import { Err, defineProperty, getOwnPropertyDescriptor, setPrototypeOf } from './primordials.js';
import { constants, domString, finish, isObject } from './webidl.js';

const CODES = {
	IndexSizeError: 1, HierarchyRequestError: 3, WrongDocumentError: 4, InvalidCharacterError: 5, NoModificationAllowedError: 7,
	NotFoundError: 8, NotSupportedError: 9, InUseAttributeError: 10, InvalidStateError: 11, SyntaxError: 12, InvalidModificationError: 13,
	NamespaceError: 14, InvalidAccessError: 15, TypeMismatchError: 17, SecurityError: 18, NetworkError: 19, AbortError: 20,
	URLMismatchError: 21, QuotaExceededError: 22, TimeoutError: 23, InvalidNodeTypeError: 24, DataCloneError: 25,
};
setPrototypeOf(CODES, null);

const PLACES = ['line', 'column', 'sourceURL'];

export let isDOMException;
let stamp, messageOf, nameOf;
// DOMException inherits from Error on the side of its instances only, so it is no derived class:
// what it holds is stamped onto an Error.
class Given {
	constructor(o) {
		return o;
	}
}
class Slots extends Given {
	#message;
	#name;
	constructor(o, message, name) {
		super(o);
		this.#message = message;
		this.#name = name;
	}
	static {
		stamp = (o, message, name) => new Slots(o, message, name);
		isDOMException = (v) => isObject(v) && #name in v;
		messageOf = (v) => v.#message;
		nameOf = (v) => v.#name;
	}
}
export class DOMException {
	constructor(message = '', name = 'Error') {
		message = domString(message);
		let cause;
		if (isObject(name)) {
			if ('cause' in name) cause = { value: name.cause };
			name = name.name === undefined ? 'Error' : name.name;
		}
		const e = setPrototypeOf(new Err(), new.target.prototype);
		stamp(e, message, domString(name));
		delete e.message;
		if (cause) defineProperty(e, 'cause', { value: cause.value, writable: true, configurable: true });
		for (let i = 0; i < PLACES.length; i++) if (getOwnPropertyDescriptor(e, PLACES[i])) defineProperty(e, PLACES[i], { enumerable: false });
		return e;
	}
	get name() {
		return nameOf(this);
	}
	get message() {
		return messageOf(this);
	}
	get code() {
		return CODES[nameOf(this)] ?? 0;
	}
}

setPrototypeOf(DOMException.prototype, Err.prototype);
finish(DOMException, 'DOMException', 0);
constants(DOMException, {
	INDEX_SIZE_ERR: 1, DOMSTRING_SIZE_ERR: 2, HIERARCHY_REQUEST_ERR: 3, WRONG_DOCUMENT_ERR: 4, INVALID_CHARACTER_ERR: 5, NO_DATA_ALLOWED_ERR: 6,
	NO_MODIFICATION_ALLOWED_ERR: 7, NOT_FOUND_ERR: 8, NOT_SUPPORTED_ERR: 9, INUSE_ATTRIBUTE_ERR: 10, INVALID_STATE_ERR: 11, SYNTAX_ERR: 12,
	INVALID_MODIFICATION_ERR: 13, NAMESPACE_ERR: 14, INVALID_ACCESS_ERR: 15, VALIDATION_ERR: 16, TYPE_MISMATCH_ERR: 17, SECURITY_ERR: 18,
	NETWORK_ERR: 19, ABORT_ERR: 20, URL_MISMATCH_ERR: 21, QUOTA_EXCEEDED_ERR: 22, TIMEOUT_ERR: 23, INVALID_NODE_TYPE_ERR: 24, DATA_CLONE_ERR: 25,
});

export const abortError = (message = 'The operation was aborted.') => new DOMException(message, 'AbortError');
