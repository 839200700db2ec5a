import { createContext, useContext, useMemo, useRef, useState, type ReactNode } from 'react';
import { useEvents, type Connection } from './events';

/** What the services measure once a second. */
export type Sample = {
  at: string;
  cpu: number;
  cores: number[];
  memory: number;
  disk: number;
  sent_bytes: number;
  received_bytes: number;
  read_bytes: number;
  written_bytes: number;
  process_unique_bytes: number;
  requests: { per_s: number; errors_per_s: number; p50_ms: number | null; p95_ms: number | null; p99_ms: number | null };
  cluster: {
    nodes: { node: string; cpus: number; cpus_used: number; store_bytes: number; store_used_bytes: number }[];
    running: Record<string, number>;
  } | null;
  runs: { id: string; kind: string; name: string; progress: number }[];
};

/** Samples are kept for an hour at one a second. */
export const KEPT = 3_600;

type Live = { connection: Connection; sample: Sample | null; history: readonly Sample[] };

const LiveContext = createContext<Live>({ connection: 'connecting', sample: null, history: [] });

export function LiveProvider({ path = '/metrics/live', children }: { path?: string | null; children: ReactNode }) {
  const history = useRef<Sample[]>([]);
  const [sample, setSample] = useState<Sample | null>(null);
  const connection = useEvents(
    path,
    {
      sample: (found: Sample) => {
        history.current.push(found);
        if (history.current.length > KEPT) history.current.splice(0, history.current.length - KEPT);
        setSample(found);
      },
    },
    5_000,
  );
  // eslint-disable-next-line react-hooks/refs -- the one array that grows; `sample` says when
  const value = useMemo(() => ({ connection, sample, history: history.current }), [connection, sample]);
  return <LiveContext.Provider value={value}>{children}</LiveContext.Provider>;
}

export const useLive = () => useContext(LiveContext);
