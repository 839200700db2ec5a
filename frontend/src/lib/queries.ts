import { queryOptions, useQuery } from '@tanstack/react-query';
import { api, take } from './api';

// Nothing is asked for again sooner than after 5 s; what changes faster comes as events.
const SLOWLY = 5_000;

export const queries = {
  session: queryOptions({ queryKey: ['session'], queryFn: () => take(api.GET('/session')), staleTime: 60_000 }),
  ready: queryOptions({
    queryKey: ['ready'],
    queryFn: async () => {
      const { data, error, response } = await api.GET('/health/ready');
      return response.status === 503 && error && 'parts' in (error as object)
        ? (error as unknown as NonNullable<typeof data>)
        : take(Promise.resolve({ data, error, response }));
    },
    refetchInterval: SLOWLY,
  }),
  cluster: queryOptions({ queryKey: ['cluster'], queryFn: () => take(api.GET('/cluster')), refetchInterval: SLOWLY }),
  models: queryOptions({ queryKey: ['models'], queryFn: () => take(api.GET('/models')), refetchInterval: 2 * SLOWLY }),
  recipes: queryOptions({ queryKey: ['recipes'], queryFn: () => take(api.GET('/recipes')), staleTime: Infinity }),
  notebooks: queryOptions({ queryKey: ['notebooks'], queryFn: () => take(api.GET('/notebooks')), staleTime: Infinity }),
  names: queryOptions({ queryKey: ['names'], queryFn: () => take(api.GET('/flights/names')), staleTime: Infinity }),
  trainings: queryOptions({ queryKey: ['trainings'], queryFn: () => take(api.GET('/train')), refetchInterval: SLOWLY }),
  benchmarks: queryOptions({ queryKey: ['benchmarks'], queryFn: () => take(api.GET('/benchmark')), refetchInterval: SLOWLY }),
  predictions: queryOptions({
    queryKey: ['predictions'],
    queryFn: () => take(api.GET('/predictions', { params: { query: { limit: 50 } } })),
    refetchInterval: SLOWLY,
  }),
  runs: (kind?: string) =>
    queryOptions({
      queryKey: ['runs', kind],
      queryFn: () => take(api.GET('/runs', { params: { query: { limit: 100, kind } } })),
      refetchInterval: 2 * SLOWLY,
    }),
  run: (id: string) =>
    queryOptions({ queryKey: ['run', id], queryFn: () => take(api.GET('/runs/{run_id}', { params: { path: { run_id: id } } })) }),
  schema: (lang: 'en' | 'es') =>
    queryOptions({
      queryKey: ['schema', lang],
      queryFn: () => take(api.GET('/schema', { params: { query: { lang } } })),
      staleTime: Infinity,
    }),
  table: (id: string) =>
    queryOptions({
      queryKey: ['table', id],
      queryFn: () => take(api.GET('/benchmark/{run_id}/table', { params: { path: { run_id: id } } })),
      staleTime: Infinity,
    }),
  compare: (ids: string[]) =>
    queryOptions({
      queryKey: ['compare', ids],
      queryFn: () => take(api.GET('/runs/compare', { params: { query: { id: ids } } })),
      staleTime: Infinity,
    }),
  laws: (id: string) =>
    queryOptions({
      queryKey: ['laws', id],
      queryFn: () => take(api.GET('/benchmark/{run_id}/laws', { params: { path: { run_id: id } } })),
      staleTime: Infinity,
    }),
};

/** Whether whoever looks may do something: a token has scopes. */
export function useMay(scope: 'read' | 'predict' | 'operate'): boolean {
  return useQuery(queries.session).data?.scopes.includes(scope) ?? false;
}
