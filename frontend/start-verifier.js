// Starts the verifier, which is a WebAssembly program in a web worker of its own. Whether it comes up
// or not, the page is told, in the words of shared/src/verification/messages.rs.

import start from "/verifier.js";

start({ module_or_path: "/verifier_bg.wasm" }).catch((error) => {
  console.error(error);
  postMessage(JSON.stringify({ stopped: { reason: error.message } }));
});
