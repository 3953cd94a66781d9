// Starts the switchboard, which is a WebAssembly program in a web worker that all pages share. Pages may
// come before it is up, and when it never comes they are told, in the words of src/switchboard.rs.

import start, { connect } from "/switchboard.js";

const started = start({ module_or_path: "/switchboard_bg.wasm" });

onconnect = async ({ ports: [port] }) => {
  try {
    await started;
    connect(port);
  } catch (error) {
    console.error(error);
    port.postMessage(["failed"]);
  }
};
