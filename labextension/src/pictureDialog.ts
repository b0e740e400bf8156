/** A picture at its full size. */
import { Dialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { download, element } from './dom.js';
import { safeName } from './names.js';
import type { IPicture } from './record.js';

/** Show a picture large; a click on it changes between the window's size and its own. */
export async function zoom(picture: IPicture, trans: TranslationBundle): Promise<void> {
  const name = safeName(picture.name);
  const body = new Widget({ node: element('div', '', draw(picture, name, trans)) });
  const close = Dialog.cancelButton({ label: trans.__('Close') });
  const save = Dialog.okButton({ label: trans.__('Download') });
  const dialog = new Dialog({ title: name, body, buttons: [close, save], hasClose: true });
  dialog.addClass('aoai-PictureDialog');
  const result = await dialog.launch();
  if (result.button.accept) {
    download(name, picture.data, picture.mediaType);
  }
}

function draw(picture: IPicture, name: string, trans: TranslationBundle): HTMLElement {
  const image = element('img', 'aoai-Picture');
  image.src = `data:${picture.mediaType};base64,${picture.data}`;
  image.alt = name;
  const frame = element('button', 'aoai-PictureFrame', image);
  frame.type = 'button';
  frame.title = trans.__('Change between the size of the window and its own');
  frame.addEventListener('click', () => frame.classList.toggle('aoai-mod-full'));
  return frame;
}
