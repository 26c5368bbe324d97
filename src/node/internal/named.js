// A bundler may call a function by another name; `name` is what code sees.
export const asNamed = (name, fn) => Object.defineProperty(fn, 'name', { value: name, configurable: true });
