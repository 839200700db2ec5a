import { useEffect, useRef, useState } from 'react';
import { base } from './api';

export type Connection = 'connecting' | 'live' | 'stale';

type Handlers = Record<string, (data: never) => void>;

/**
 * Follow server-sent events for as long as a path is given.
 *
 * The browser reconnects by itself and says which event it had last. `stale` is said when the stream broke, or nothing
 * came for `silence` milliseconds (0: silence is no sign). An event `end` closes the stream for good.
 */
export function useEvents(path: string | null, handlers: Handlers, silence = 0): Connection {
  const [connection, setConnection] = useState<Connection>('connecting');
  const latest = useRef(handlers);
  useEffect(() => {
    latest.current = handlers;
  });
  const names = Object.keys(handlers).join(',');
  useEffect(() => {
    if (path === null) return;
    let source: EventSource;
    let watch = 0;
    let again = 0;
    let tries = 0;
    const alive = () => {
      tries = 0;
      setConnection('live');
      clearTimeout(watch);
      if (silence) watch = window.setTimeout(() => setConnection('stale'), silence);
    };
    const open = () => {
      source = new EventSource(`${base}${path}`);
      source.onopen = alive;
      source.onerror = () => {
        setConnection('stale');
        // A browser gives up where the answer was an error, as from a server that is just starting.
        if (source.readyState === EventSource.CLOSED) {
          clearTimeout(again);
          again = window.setTimeout(open, Math.min(30_000, 2_000 * 2 ** tries++));
        }
      };
      for (const name of names.split(',')) {
        source.addEventListener(name, (event) => {
          alive();
          latest.current[name]?.(JSON.parse((event as MessageEvent<string>).data) as never);
          if (name === 'end') {
            clearTimeout(watch);
            source.close();
          }
        });
      }
    };
    open();
    return () => {
      clearTimeout(watch);
      clearTimeout(again);
      source.close();
      setConnection('connecting');
    };
  }, [path, names, silence]);
  return connection;
}
