import { createContext, useContext, useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { api, take, type Schemas } from './api';
import { useEvents, type Connection } from './events';

/** What the services measure: every second while somebody follows. */
export type Sample = Omit<Schemas['Sample'], 'cluster' | 'runs'> & {
  cluster: {
    nodes: { node: string; cpus: number; cpus_used: number; store_bytes: number; store_used_bytes: number }[];
    running: Record<string, number>;
  } | null;
  runs: { id: string; kind: string; name: string; progress: number }[];
};

/** An hour of samples at one a second, and what the services kept of the hour before the page was opened. */
export const KEPT = 3_600 + 720;

/** Pages are drawn anew at most this often, however fast samples come: as often as the services send them. */
const DRAWN_EVERY_MS = 1_000;

type Live = { connection: Connection; sample: Sample | null; history: readonly Sample[] };

const LiveContext = createContext<Live>({ connection: 'connecting', sample: null, history: [] });

export function LiveProvider({ path = '/metrics/live', children }: { path?: string | null; children: ReactNode }) {
  const history = useRef<Sample[]>([]);
  const [sample, setSample] = useState<Sample | null>(null);
  const drawn = useRef(-Infinity);
  const waiting = useRef<number | undefined>(undefined);
  useEffect(
    () => () => {
      window.clearTimeout(waiting.current);
      waiting.current = undefined; // mounted again, it draws again
    },
    [],
  );
  useEffect(() => {
    if (path === null) return;
    // What was measured before this page was opened; where that cannot be had, charts begin now.
    void take(api.GET('/metrics/history')).then(
      (found) => {
        const first = history.current[0]?.at;
        history.current.unshift(...(found as unknown as Sample[]).filter((each) => first === undefined || each.at < first));
      },
      () => undefined,
    );
  }, [path]);
  const connection = useEvents(
    path,
    {
      sample: (found: Sample) => {
        history.current.push(found);
        if (history.current.length > KEPT) history.current.splice(0, history.current.length - KEPT);
        if (waiting.current !== undefined) return;
        const draw = () => {
          waiting.current = undefined;
          drawn.current = performance.now();
          setSample(history.current.at(-1) ?? null);
        };
        const early = drawn.current + DRAWN_EVERY_MS - performance.now();
        if (early <= 0) draw();
        else waiting.current = window.setTimeout(draw, early);
      },
    },
    5_000,
  );
  // eslint-disable-next-line react-hooks/refs -- the one array that grows; `sample` says when
  const value = useMemo(() => ({ connection, sample, history: history.current }), [connection, sample]);
  return <LiveContext.Provider value={value}>{children}</LiveContext.Provider>;
}

export const useLive = () => useContext(LiveContext);
