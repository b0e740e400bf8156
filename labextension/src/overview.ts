/** What the panel shows, as the kernel tells it. */
import type { Far, Made, Overview, Session, Stranger, Thread } from './generated/frontend.js';

export type { Far, Overview, Session, Stranger, Thread };

/** A file on the server, sent there or created by the assistant. */
export interface IFarFile extends Made {
  /** Where it is; empty for what code made where turns go now. */
  readonly target: string;
  /** Whether it is where turns go now, so that something can be done with it. */
  readonly here: boolean;
  /** Whether this notebook sent or made it, as far as its kernel knows. */
  readonly own: boolean;
  /** Whether code made it. */
  readonly isResult: boolean;
}

/** Take an answer as an overview; null where the kernel's package speaks in another form. */
export function readOverview(told: Overview): Overview | null {
  const lists = [told.threads, told.files, told.made];
  const sound = lists.every(Array.isArray) && !!told.usage && !!told.data;
  return sound ? told : null;
}

/** All files: those that were sent, this notebook's first, then those that code made. */
export function farFiles(told: Overview, far: Far | null): IFarFile[] {
  const sent = new Set(told.files.map(file => file.id));
  const own = new Set(told.made);
  const made = (far?.files ?? []).filter(file => !sent.has(file.id));
  return [
    ...told.files
      .map(file => ({ ...file, isResult: false }))
      .sort((one, other) => Number(other.own) - Number(one.own)),
    ...made.map(file => ({
      ...file,
      target: '',
      here: true,
      own: own.has(file.id),
      isResult: true
    }))
  ];
}

/** The live session of one of the notebook's threads. */
export function sessionOf(thread: Thread, told: Overview, far: Far | null): Session | undefined {
  const isHere = thread.target === told.target;
  return isHere ? far?.sessions.find(session => session.thread === thread.name) : undefined;
}
