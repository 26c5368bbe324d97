// What readable-stream asks for where there is no AbortController.
export const { AbortController, AbortSignal } = globalThis;
