/** Saving files of an answer beside the notebook. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import type { Contents } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import { freeName, safeName } from './names.js';

/**
 * Save a file into `<notebook>_files`, say so, and open it; nothing that is there is replaced.
 *
 * Not into the notebook's own folder: a file called pandas.py would be imported from there.
 */
export async function saveAndOpen(
  app: JupyterFrontEnd,
  notebook: string,
  file: { readonly name: string; readonly data: string | null },
  trans: TranslationBundle
): Promise<void> {
  const { contents } = app.serviceManager;
  const folder = notebook.replace(/\.ipynb$/, '') + '_files';
  const taken = await openFolder(contents, folder);
  const path = PathExt.join(folder, freeName(safeName(file.name), taken));
  await contents.save(path, { type: 'file', format: 'base64', content: file.data ?? '' });
  Notification.success(trans.__('Saved as %1', path), { autoClose: 5_000 });
  await app.commands.execute('docmanager:open', { path });
}

/** Make the folder if need be, and give the names in it. */
async function openFolder(contents: Contents.IManager, folder: string): Promise<Set<string>> {
  const parent = await contents.get(PathExt.dirname(folder));
  const there = (parent.content as Contents.IModel[]).some(
    item => item.name === PathExt.basename(folder)
  );
  if (!there) {
    await contents.save(folder, { type: 'directory' });
    return new Set();
  }
  const listed = (await contents.get(folder)).content as Contents.IModel[];
  return new Set(listed.map(item => item.name));
}
