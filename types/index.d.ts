// What the engine has of the language beyond "lib": ["ES2024"].
/// <reference lib="esnext.array" />
/// <reference lib="esnext.collection" />
/// <reference lib="esnext.error" />
/// <reference lib="esnext.float16" />
/// <reference lib="esnext.iterator" />
/// <reference lib="esnext.promise" />
/// <reference lib="esnext.sharedmemory" />

/// <reference path="web.d.ts" />
/// <reference path="edge.d.ts" />
/// <reference path="modules.d.ts" />
/// <reference path="test.d.ts" />
