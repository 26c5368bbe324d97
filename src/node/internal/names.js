// The setting "nodejs": what the bundler writes in place of names that nothing declares.
export { Buffer } from 'node:buffer';
export { default as process } from 'node:process';
