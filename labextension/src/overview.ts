/** What the panel shows, as the kernel tells it. */
import type { Far, Made, Overview, Sent, Session, Stranger, Thread } from './generated/frontend.js';

export type { Far, Overview, Session, Stranger, Thread };

/** A file on the server, sent there or created by the assistant. */
export interface IFarFile extends Made {
  /** Where it is; empty for what code made where turns go now. */
  readonly target: string;
  /** Whether it is where turns go now, so that something can be done with it. */
  readonly here: boolean;
}

/** Take an answer as an overview; null where the kernel's package speaks in another form. */
export function readOverview(told: Overview): Overview | null {
  const lists = [told.threads, told.files];
  const sound = lists.every(Array.isArray) && !!told.usage && !!told.data;
  return sound ? told : null;
}

/** All files: those that were sent, then those that code made. */
export function farFiles(told: Overview, far: Far | null): IFarFile[] {
  const sent = new Set(told.files.map(file => file.id));
  const made = (far?.files ?? []).filter(file => !sent.has(file.id));
  return [
    ...told.files.map((file: Sent) => file),
    ...made.map(file => ({ ...file, target: '', here: true }))
  ];
}
