/** Questions to the kernel of a notebook; `aoai_magic/frontend.py` answers them. */
import type { ISessionContext } from '@jupyterlab/apputils';
import type { JSONObject } from '@lumino/coreutils';

const JSON_TYPE = 'application/json';

/**
 * Ask the kernel.
 *
 * Nothing is stored in the history or the namespace. The answer is null where there is no
 * Python kernel, where it is busy (it could not answer now), or where it lacks aoai_magic.
 */
export async function askKernel(
  session: ISessionContext,
  question: JSONObject
): Promise<JSONObject | null> {
  const kernel = session.session?.kernel;
  if (!kernel || kernel.status !== 'idle') {
    return null;
  }
  if ((await kernel.info).language_info.name !== 'python') {
    return null;
  }
  // A JSON text as a JSON string is a Python string too.
  const words = JSON.stringify(JSON.stringify(question));
  const answer = `__import__("aoai_magic.frontend", fromlist=["answer"]).answer(${words})`;
  const future = kernel.requestExecute({
    code: '',
    silent: true,
    store_history: false,
    user_expressions: { answer }
  });
  const content = (await future.done).content;
  if (content.status !== 'ok') {
    return null;
  }
  return readReply(content.user_expressions?.answer);
}

function readReply(reply: unknown): JSONObject | null {
  const data = (reply as { data?: JSONObject } | undefined)?.data;
  return (data?.[JSON_TYPE] as JSONObject | undefined) ?? null;
}
