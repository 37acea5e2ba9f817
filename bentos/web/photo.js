// Makes a photo fit to send: what a phone takes is far larger than any search needs.

export const MAX_BYTES = 10_000_000;
const MAX_SIDE_PX = 1600;
const SENT_AS_IS = ["image/jpeg", "image/png", "image/webp"];

/** Shrinks a large photo and turns other formats that this browser can read into JPEG.
 *
 * Gives { file, width, height }, in pixels after the turn that EXIF asks for. A file that is no
 * photo comes back as it was, with no size: the server says best what is wrong with it.
 */
export async function prepare(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    return { file, width: null, height: null };
  }
  const scale = Math.min(1, MAX_SIDE_PX / Math.max(bitmap.width, bitmap.height));
  const asIs = { file, width: bitmap.width, height: bitmap.height };
  if (scale === 1 && SENT_AS_IS.includes(file.type) && file.size <= MAX_BYTES) return asIs;
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff"; // JPEG has no transparency
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
  if (blob === null) return asIs;
  const shrunk = new File([blob], file.name, { type: "image/jpeg" });
  return { file: shrunk, width: canvas.width, height: canvas.height };
}
