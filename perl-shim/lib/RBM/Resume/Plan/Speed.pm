package RBM::Resume::Plan::Speed;

use strict;
use warnings;

use Data::Dumper ();

# In place of what rbm does again and again during a walk, with the same results.

my (%is_general, %general, %compiled);
my %original;

sub begin {
    %original = (compile        => \&Template::Provider::_compile,
                 project_config => \&RBM::project_config);
    $is_general{$_} = 1 foreach grep { !is_special($_, @{$RBM::config}{qw(projects modules)}) }
                                qw(notmpl projects_dir modules_dir);
}

# rbm asks for some options each time that it renders anything. They are looked
# up once for each project, unless something gives them to some step or target only.
sub project_config {
    my ($project, $name) = @_;
    goto &{$original{project_config}} if ref $name || !$is_general{$name};
    return $general{$project}{$name} //= $original{project_config}->(@_);
}

# Whether an option is set below what is common to all projects.
sub is_special {
    my ($name, @nodes) = @_;
    foreach my $key (qw(targets steps)) {
        push @nodes, map { ref $_ eq 'HASH' && $_->{$key} || () } $RBM::config, $RBM::config->{local};
    }
    while (defined(my $node = shift @nodes)) {
        next unless ref $node eq 'HASH';
        return 1 if exists $node->{$name};
        push @nodes, values %$node;
    }
    return 0;
}

# What rbm keeps results under, written by the faster of the two that tell the same.
sub cache_key {
    my ($value) = @_;
    return Data::Dumper->new([ $value ], undef)->Indent(0)->Sortkeys(1)->Terse(1)->Dump;
}

# Template Toolkit compiles a text anew each time; a compiled one bears any number of uses, but not within itself.
sub compile_template {
    my ($provider, $data, @more) = @_;
    my $key = join("\0", $data->{name}, $data->{text});
    if (!$compiled{$key}) {
        my ($result, @error) = $original{compile}->($provider, $data, @more);
        return ($result, @error) unless ref $result eq 'HASH' && $result->{data};
        $compiled{$key} = $result->{data};
    }
    return { %$data, data => bless { %{$compiled{$key}} }, ref $compiled{$key} };
}

1;
