/** What the panel shows, as `overview` of `aoai_magic/frontend.py` gives it. */
import type { JSONObject, PartialJSONValue } from '@lumino/coreutils';

export interface IThread {
  /** Empty for the kernel's own thread. */
  readonly name: string;
  readonly target: string;
  /** Seconds since 1970. */
  readonly used: number;
}

export interface IFarFile {
  readonly name: string;
  readonly bytes: number;
  readonly target: string;
  /** Seconds since 1970; null for a file that stays. */
  readonly expires: number | null;
}

export interface IOverview {
  readonly target: string;
  readonly why: string;
  readonly model: string;
  readonly turns: number;
  readonly tokens: number;
  readonly threads: readonly IThread[];
  readonly files: readonly IFarFile[];
  /** Variables that can be attached, each with its description. */
  readonly data: readonly (readonly [string, string])[];
}

/** Read the kernel's answer; null while the magic is not loaded there. */
export function readOverview(reply: JSONObject): IOverview | null {
  const told = reply.overview as JSONObject | null;
  if (!told) {
    return null;
  }
  const list = (value: PartialJSONValue | undefined): JSONObject[] =>
    Array.isArray(value) ? (value as JSONObject[]) : [];
  return {
    target: text(told.target),
    why: text(told.why),
    model: text(told.model),
    turns: Number(told.turns),
    tokens: Number(told.tokens),
    threads: list(told.threads).map(({ name, target, used }) => ({
      name: text(name),
      target: text(target),
      used: Number(used)
    })),
    files: list(told.files).map(({ name, bytes, target, expires }) => ({
      name: text(name),
      bytes: Number(bytes),
      target: text(target),
      expires: typeof expires === 'number' ? expires : null
    })),
    data: Object.entries((told.data ?? {}) as JSONObject).map(([name, said]) => [name, text(said)])
  };
}

function text(value: PartialJSONValue | undefined): string {
  return typeof value === 'string' ? value : '';
}
