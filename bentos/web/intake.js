// How a photo comes in: chosen, taken by the camera, dropped or pasted; knows nothing of search.

const at = (id) => document.getElementById(id);

/** Hands every photo that is given to `take`; `choose` opens the file chooser. */
export function listenForPhotos(take) {
  const choose = () => at("file").click();
  at("choose").onclick = at("another").onclick = choose;
  for (const button of document.querySelectorAll(".camera")) {
    button.onclick = () => at("camera").click();
  }
  at("drop").addEventListener("click", (event) => {
    if (event.target.closest("button") === null) choose();
  });
  for (const input of [at("file"), at("camera")]) {
    input.addEventListener("change", () => {
      if (input.files.length) take(input.files[0]);
      input.value = ""; // so that the same file can be chosen again
    });
  }
  document.addEventListener("paste", ({ clipboardData }) => {
    if (clipboardData.files.length) take(clipboardData.files[0]);
  });
  listenForDrops(take);
  return { choose };
}

function listenForDrops(take) {
  const carriesFile = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!carriesFile(event)) return;
    event.preventDefault();
    document.body.classList.add("dragging");
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) document.body.classList.remove("dragging");
  });
  document.addEventListener("drop", (event) => {
    document.body.classList.remove("dragging");
    if (!carriesFile(event)) return;
    event.preventDefault();
    const [file] = event.dataTransfer.files; // none where another program holds the file back
    if (file !== undefined) take(file);
  });
}
