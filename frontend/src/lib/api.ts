import createClient from 'openapi-fetch';
import type { components, paths } from './schema';

export type Schemas = components['schemas'];
export type RunState = Schemas['RunState'];
export type RunRecord = Schemas['RunRecord'];
export type Model = Schemas['Model'];
export type Laws = Schemas['Laws'];

/** Where the services are: beside the pages, whatever path a proxy has put before both. */
export const base = new URL('.', document.baseURI).href.replace(/\/$/, '');

export const api = createClient<paths>({ baseUrl: base, fetch: (request) => globalThis.fetch(request) });

/** An answer that is a problem (RFC 9457), or no answer at all (status 0). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly field: string | null = null,
  ) {
    super(detail);
  }
}

type Answer<T> = Promise<{ data?: T; error?: unknown; response: Response }>;

/** The data of an answer; whatever else came is thrown as an ApiError. */
export async function take<T>(asked: Answer<T>): Promise<T> {
  let answer;
  try {
    answer = await asked;
  } catch (fault) {
    throw new ApiError(0, 'offline', String(fault));
  }
  if (!answer.response.ok) {
    const problem = (answer.error ?? {}) as { code?: string; detail?: string; field?: string };
    const { status } = answer.response;
    throw new ApiError(status, problem.code ?? 'unexpected', problem.detail ?? `${status}`, problem.field ?? null);
  }
  return answer.data as T;
}
