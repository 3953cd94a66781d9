// Loads the page's WebAssembly program and says how far it is. Plain script, because it must be able
// to speak before the program does, and when it never comes.

const status = document.getElementById("boot-status");
const bar = document.getElementById("boot-progress");
const kib = (bytes) => `${Math.round(bytes / 1024).toLocaleString("en")} KiB`;

/** Shows why the page cannot start, and what to do. */
function fail(what, todo) {
  document.getElementById("boot").classList.add("boot-failed");
  bar.hidden = true;
  status.setAttribute("role", "alert");
  status.textContent = `${what} ${todo}`;
}

/** Passes a response on while counting its bytes. */
function counted(response) {
  // With a content encoding the length is that of the compressed bytes, and the stream gives plain ones.
  const total = response.headers.get("content-encoding") ? 0 : Number(response.headers.get("content-length"));
  let loaded = 0;
  const counter = new TransformStream({
    transform(chunk, controller) {
      loaded += chunk.byteLength;
      if (total > 0) bar.value = loaded / total;
      status.textContent = total > 0
        ? `Loading the page's program: ${kib(loaded)} of ${kib(total)}.`
        : `Loading the page's program: ${kib(loaded)}.`;
      controller.enqueue(chunk);
    },
    flush() {
      bar.removeAttribute("value");
      status.textContent = "Starting the page's program.";
    },
  });
  return new Response(response.body.pipeThrough(counter), { headers: { "content-type": "application/wasm" } });
}

async function boot() {
  if (typeof WebAssembly !== "object") {
    fail("This browser does not run WebAssembly, which the page is made of.",
      "Use a current Firefox, Chrome, Edge or Safari, and switch WebAssembly on if a lockdown mode disables it.");
    return;
  }
  let glue, response;
  try {
    [glue, response] = await Promise.all([
      import("/steerage-frontend.js"),
      fetch("/steerage-frontend_bg.wasm", { credentials: "same-origin" }),
    ]);
    if (!response.ok) throw new Error(`the worker answered ${response.status}`);
  } catch (error) {
    fail(`The page's program could not be fetched (${error.message}).`,
      "Check that the worker still runs, then reload.");
    return;
  }
  try {
    await glue.default({ module_or_path: counted(response) });
  } catch (error) {
    console.error(error);
    fail(`The page's program could not be started (${error.message}).`,
      "Reload; if it stays so, use a current browser.");
  }
}

boot();
