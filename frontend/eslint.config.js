import hooks from 'eslint-plugin-react-hooks';
import tseslint from 'typescript-eslint';

const rooms = (of, ...above) => ({
  files: [`src/${of}/**/*.{ts,tsx}`],
  rules: {
    'no-restricted-imports': [
      'error',
      { patterns: above.map((room) => ({ group: [`**/${room}/**`, `**/${room}`], message: `${of} stands below ${room}.` })) },
    ],
  },
});

export default tseslint.config(
  { ignores: ['dist', 'src/lib/schema.d.ts'] },
  ...tseslint.configs.strict,
  hooks.configs.flat['recommended-latest'],
  // app → features → components, lib
  rooms('features', 'app'),
  rooms('components', 'app', 'features'),
  rooms('lib', 'app', 'features', 'components'),
);
