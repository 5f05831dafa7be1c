import tseslint from 'typescript-eslint';

/**
 * The floors of the house, from the ground up. A file may import from its own floor and from those below
 * it, never from one above (docs/design.md, "Layout").
 */
const floors = [
  ['errors', 'digest', 'trace', 'system-error'],
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
  ['ci'],
  ['index'],
  ['cli'],
];

/** For each floor but the top one: the imports of its files that would lead up. */
const noImportsUp = floors.slice(0, -1).map((floor, level) => {
  const above = floors.slice(level + 1).flat();
  return {
    files: floor.flatMap((name) => [`lib/${name}/**/*.ts`, `lib/${name}.ts`]),
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              regex: `^\\.{1,2}/(?:\\.\\./)*(?:${above.join('|')})(?:/|\\.js$)`,
              message: `imports run downward only: ${floor.join(', ')} stands below this`,
            },
          ],
        },
      ],
    },
  };
});

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/'] },
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
