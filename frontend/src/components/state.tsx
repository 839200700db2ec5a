import { Alert, Button, Skeleton, Stack, Text } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { ApiError, base } from '../lib/api';

/** What went wrong, and what to do: one look for all pages. */
export function Problem({ fault, again }: { fault: unknown; again?: () => void }) {
  const { t } = useTranslation();
  const { status, code, message } = fault instanceof ApiError ? fault : { status: -1, code: '', message: String(fault) };
  const kinds: Record<number, string> = { 0: 'offline', 401: 'unauthorised', 403: 'forbidden', 503: 'unavailable' };
  const kind = kinds[status] ?? 'error';
  return (
    <Alert color={kind === 'error' ? 'red' : 'yellow'} variant="light" title={t(`state.${kind}`)} role="alert">
      <Stack gap="xs" align="flex-start">
        <Text size="sm">{t(`problem.${code}`, { defaultValue: t(`state.${kind}Do`) })}</Text>
        {status > 0 && (
          <Text size="sm" c="var(--mantine-color-text)" lang="en">
            {message}
          </Text>
        )}
        {kind === 'unauthorised' ? (
          <Button component="a" href={`${base}/login`} size="xs" variant="default">
            {t('state.login')}
          </Button>
        ) : (
          again && (
            <Button size="xs" variant="default" onClick={again}>
              {t('state.again')}
            </Button>
          )
        )}
      </Stack>
    </Alert>
  );
}

export function Empty({ children }: { children: ReactNode }) {
  return (
    <Text c="var(--muted)" size="sm" py="md">
      {children}
    </Text>
  );
}

/** Shows what a question brought: while it is asked, when it failed, when there is nothing, and the answer. */
export function Loaded<T>({
  query,
  empty,
  lines = 3,
  children,
}: {
  query: UseQueryResult<T>;
  empty?: ReactNode;
  lines?: number;
  children: (data: T) => ReactNode;
}) {
  const { t } = useTranslation();
  if (query.data === undefined) {
    if (query.isError) return <Problem fault={query.error} again={() => void query.refetch()} />;
    return (
      <Stack gap="xs" aria-busy="true" aria-label={t('state.pending')} role="status">
        {Array.from({ length: lines }, (_, place) => (
          <Skeleton key={place} height={18} radius="sm" />
        ))}
      </Stack>
    );
  }
  const nothing = empty !== undefined && Array.isArray(query.data) && query.data.length === 0;
  return (
    <>
      {query.isError && <Problem fault={query.error} again={() => void query.refetch()} />}
      {nothing ? <Empty>{empty}</Empty> : children(query.data)}
    </>
  );
}

/** Why a button does nothing for this reader. */
export function NotAllowed({ scope }: { scope: string }) {
  const { t } = useTranslation();
  return (
    <Text size="sm" c="var(--muted)" role="note">
      {t('state.scope', { scope })}
    </Text>
  );
}
