import tseslint from 'typescript-eslint';

/**
 * The floors of the house, from the ground up. A file may import from its own floor and from those below
 * it, never from one above (docs/design.md, "Layout").
 */
const floors = [
  ['errors', 'digest', 'trace', 'system-error', 'plain-file', 'stream-room', 'time', 'cpu-time', 'version'],
  ['script'],
  ['exec', 'id-map'],
  ['rootfs'],
  ['store'],
  ['trust'],
  ['layer'],
  ['project-hash', 'snapshot'],
  ['registry'],
  ['container', 'setup'],
  ['prove', 'plan', 'leg'],
  ['compare'],
  ['ci', 'report'],
  ['index'],
  ['cli'],
];

/** For each floor but the top one: the imports of its files that would lead up. */
const noImportsUp = floors.slice(0, -1).flatMap((floor, level) => {
  const above = floors.slice(level + 1).flat();
  // `./report.js` beside a file of a folder is in that folder.
  const limit = (files, start) => ({
    files,
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              regex: `^${start}(?:${above.join('|')})(?:/|\\.js$)`,
              message: `imports run downward only: ${floor.join(', ')} stands below this`,
            },
          ],
        },
      ],
    },
  });
  return [
    limit(
      floor.map((name) => `lib/${name}/**/*.ts`),
      '(?:\\.\\./)+',
    ),
    limit(
      floor.map((name) => `lib/${name}.ts`),
      '\\./',
    ),
  ];
});

export default tseslint.config(
  { ignores: ['.cache/', 'dist/', 'node_modules/'] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-floating-promises': [
        'error',
        { allowForKnownSafeCalls: ['test', 'it', 'describe', 'suite'] },
      ],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      'max-lines': ['error', { max: 250, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    files: ['lib/**/*.ts'],
    rules: {
      // Functions return data; only lib/cli and the two hook programs print.
      'no-console': 'error',
      'no-restricted-syntax': [
        'error',
        {
          selector: "Program > VariableDeclaration[kind='let']",
          message: 'no mutable state at module level',
        },
      ],
      'max-params': ['error', 3],
    },
  },
  {
    files: ['test/**/*.ts'],
    // The cases of one subject stand in one file, with the builders that only they need.
    rules: { 'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }] },
  },
  ...noImportsUp,
  { files: ['eslint.config.js'], ...tseslint.configs.disableTypeChecked },
);
