/** Questions to the kernel of a notebook; `aoai_magic/notebook/lab_messages.py` answers them. */
import type { ISessionContext } from '@jupyterlab/apputils';
import type { Kernel } from '@jupyterlab/services';
import type { JSONObject } from '@lumino/coreutils';
import type { KernelAnswers } from './generated/frontend.js';

const JSON_TYPE = 'application/json';

/** Kinds of answers, as the schema names them. */
export type Kind = keyof KernelAnswers;
export type Answer<K extends Kind> = NonNullable<KernelAnswers[K]>;

/** What came of a question: an answer, or a sentence or question in its place; null for silence. */
export type Reply<K extends Kind> =
  (Partial<Answer<K>> & Partial<Answer<'refused'>> & Partial<Answer<'question'>>) | null;

/**
 * Ask the kernel, if it is idle.
 *
 * Nothing is stored in the history or the namespace. The answer is null where there is no
 * Python kernel, where it is busy (it could not answer now), or where it lacks aoai_magic.
 */
export async function askKernel<K extends Kind>(
  session: ISessionContext,
  question: JSONObject
): Promise<Reply<K>> {
  const kernel = session.session?.kernel;
  return kernel?.status === 'idle' ? send<K>(kernel, question) : null;
}

/** Ask the kernel for what the user wants, also one that is busy for so many milliseconds. */
export async function askPatiently<K extends Kind>(
  session: ISessionContext,
  question: JSONObject,
  patience = 5_000
): Promise<Reply<K>> {
  const kernel = session.session?.kernel;
  if (kernel && kernel.status !== 'idle') {
    await untilIdle(kernel, patience);
  }
  return askKernel<K>(session, question);
}

function untilIdle(kernel: Kernel.IKernelConnection, patience: number): Promise<void> {
  return new Promise(resolve => {
    const end = (): void => {
      clearTimeout(timer);
      kernel.statusChanged.disconnect(heard);
      resolve();
    };
    const heard = (_: unknown, status: Kernel.Status): void => {
      if (status === 'idle') {
        end();
      }
    };
    const timer = setTimeout(end, patience);
    kernel.statusChanged.connect(heard);
  });
}

/** Tell the kernel something that it is to know before the cells that are sent after it. */
export function tellKernel(session: ISessionContext, words: JSONObject): void {
  const kernel = session.session?.kernel;
  if (kernel) {
    void execute(kernel, words).done.catch(() => undefined);
  }
}

async function send<K extends Kind>(
  kernel: Kernel.IKernelConnection,
  question: JSONObject
): Promise<Reply<K>> {
  if ((await kernel.info).language_info.name !== 'python') {
    return null;
  }
  const content = (await execute(kernel, question).done).content;
  if (content.status !== 'ok') {
    return null;
  }
  const reply = content.user_expressions?.answer as { data?: JSONObject } | undefined;
  return (reply?.data?.[JSON_TYPE] as Reply<K> | undefined) ?? null;
}

function execute(kernel: Kernel.IKernelConnection, question: JSONObject) {
  // A JSON text as a JSON string is a Python string too.
  const words = JSON.stringify(JSON.stringify(question));
  const answer = `__import__("aoai_magic.notebook.lab_messages", fromlist=["answer"]).answer(${words})`;
  return kernel.requestExecute({
    code: '',
    silent: true,
    store_history: false,
    user_expressions: { answer }
  });
}
