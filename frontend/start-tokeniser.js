// Starts the tokeniser, which is a WebAssembly program in a web worker of its own. Whether it comes up
// or not, the page is told, in the words of src/messages.rs.

import start from "/tokeniser.js";

start({ module_or_path: "/tokeniser_bg.wasm" }).catch((error) => {
  console.error(error);
  postMessage(JSON.stringify({ stopped: { reason: error.message } }));
});
