/** Handing a file to the browser's own download, so that its size is bounded by the disk and not by the page. */

/** Saves what the address gives under a name. */
export function saveFile(url: string, name: string): void {
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
}
