import tseslint from 'typescript-eslint';
import { importX } from 'eslint-plugin-import-x';
import { createTypeScriptImportResolver } from 'eslint-import-resolver-typescript';

/**
 * The floors of the house, from the ground up. A file may import from its own floor and from those below
 * it, never from one above (docs/design.md, "Layout").
 */
const floors = [
  ['errors', 'digest', 'trace'],
  ['exec', 'id-map'],
  ['rootfs'],
  ['store'],
  ['layer'],
  ['project-hash', 'snapshot'],
  ['container'],
  ['index'],
  ['cli'],
];

const pathsOf = (floor) => floor.flatMap((name) => [`./lib/${name}`, `./lib/${name}.ts`]);

const zones = floors.slice(0, -1).map((floor, level) => ({
  target: pathsOf(floor),
  from: floors.slice(level + 1).flatMap(pathsOf),
  message: `imports run downward only: ${floor.join(', ')} stands below what it tries to import`,
}));

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/'] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { 'import-x': importX },
    settings: { 'import-x/resolver-next': [createTypeScriptImportResolver()] },
    rules: {
      'import-x/no-restricted-paths': ['error', { basePath: import.meta.dirname, zones }],
      'import-x/no-cycle': 'error',
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
  { files: ['eslint.config.js'], ...tseslint.configs.disableTypeChecked },
);
