/** What a template of rbm holds besides the script. */
export interface PlainScript {
  /** As long in lines as the template. */
  readonly text: string;
  /** How many `[% … %]` there are. */
  readonly tags: number;
}

/** Stands where rbm would put a value. */
const VALUE = 'TEMPLATE_VALUE';

const DIRECTIVE =
  /^[-+=~]?\s*(?:#|(?:IF|UNLESS|ELSIF|ELSE|END|SET|DEFAULT|FOREACH|FOR|WHILE|SWITCH|CASE|BLOCK|USE|MACRO|FILTER|WRAPPER|NEXT|LAST|RETURN|STOP|TRY|CATCH|FINAL|THROW|PERL|RAWPERL|TAGS|META|CALL)\b|[\w.]+\s*=[^=>])/;

/**
 * Takes the tags of the Template Toolkit out of a script: one that prints something becomes a word, any other one nothing.
 * All branches of its conditions are there then, so this is a likeness of what rbm makes of it at best.
 */
export function replaceTags(template: string): PlainScript {
  let tags = 0;
  const text = template.replace(/\[%([\s\S]*?)%\]/g, (tag, inside: string) => {
    tags += 1;
    // The lines go on, so that what stands in one command stays in it.
    const lines = '\\\n'.repeat(tag.split('\n').length - 1);
    return DIRECTIVE.test(inside) ? lines : VALUE + lines;
  });
  return { text, tags };
}
