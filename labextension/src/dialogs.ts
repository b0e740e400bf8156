/** Asking before something is done, and saying why it was not. */
import { Dialog, type ISessionContext, showDialog, showErrorMessage } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';

/** Ask whether something that cannot be undone is to be done. */
export async function isConfirmed(
  title: string,
  body: string,
  action: string,
  trans: TranslationBundle
): Promise<boolean> {
  const { button } = await showDialog({
    title,
    body,
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.warnButton({ label: action })
    ]
  });
  return button.accept;
}

/** Say why the kernel did not do something: in its own words, or why it said nothing. */
export async function showRefusal(
  title: string,
  reply: { error?: string } | null,
  session: ISessionContext | undefined,
  trans: TranslationBundle
): Promise<void> {
  const silence = session?.session?.kernel
    ? trans.__('The kernel is busy. Wait until it is idle, or interrupt it, and try again.')
    : trans.__('This notebook has no running kernel. Start one, and try again.');
  await showErrorMessage(title, reply?.error ?? silence);
}
