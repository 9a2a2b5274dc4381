# Copyright (C) nginx-ai-route contributors

package AIDocs;

=head1 NAME

AIDocs - the fenced blocks of the documents

=head1 SYNOPSIS

    use lib 't/lib';
    use AIRoute;
    use AIDocs;

    for my $doc (documents()) {
        for my $block (blocks($doc)) {
            ...
        }
    }

=head2 Functions

=over

=cut

use strict;
use warnings;

use Cwd ();
use File::Basename ();

use AIRoute ();

use Exporter 'import';

our @EXPORT = qw(root documents blocks commands here);

my $root = Cwd::realpath(File::Basename::dirname(__FILE__) . '/../..');

sub root { return $root }


=item documents()

README.md, docs/*.md and t/provider/README.md, as paths below root().

=cut

sub documents {
    return map { s{^\Q$root\E/}{}r }
               "$root/README.md", glob("$root/docs/*.md"),
               "$root/t/provider/README.md";
}


=item blocks(DOCUMENT)

Its fenced blocks in order: doc, line, lang, text (without the fence's own
indentation), heading (the last one above) and prose (what stands between the
block before and this one).

=cut

sub blocks {
    my ($doc) = @_;
    my ($line, $heading, $prose, @found) = (0, '', '');
    my $block;

    for (split /^/, AIRoute::slurp("$root/$doc")) {
        $line++;

        if ($block) {
            if (/^\Q$block->{indent}\E```\s*$/) {
                push @found, $block;
                ($block, $prose) = (undef, '');
            } else {
                $block->{text} .= s/^\Q$block->{indent}\E//r;
            }
        } elsif (/^( *)```(\w*)\s*$/) {
            $block = { doc => $doc, line => $line, lang => $2, text => '',
                       indent => $1, heading => $heading, prose => $prose };
        } else {
            $heading = $1 if /^#{1,6} +(.*?)\s*$/;
            $prose .= $_;
        }
    }

    return @found;
}


# Whether a shell would go on reading: an open quote, brace or loop, a pipe or
# a backslash at the end.

sub unfinished {
    my ($text) = @_;

    return 1 if $text =~ /(?:\\|\||&&)\s*\z/;
    return if $text !~ /['"(){}]|\b(?:for|while|if|case)\b/;

    open my $fh, '-|', 'bash', '-c', 'exec bash -n -c "$1" 2>&1', 'bash', $text
        or die "cannot run bash: $!\n";
    local $/;
    my $out = <$fh> // '';
    close $fh;

    return $out =~ /unexpected (?:EOF|end of file)|here-document/;
}


=item commands(BLOCK)

Of a "console" block each command (after "$ ") with the output below it, of a
"sh" block each command: line, text, shown.

=cut

sub commands {
    my ($block) = @_;
    my $console = $block->{lang} eq 'console';
    my $line = $block->{line};
    my ($open, @found);

    for (split /^/, $block->{text}) {
        $line++;

        if ($open) {
            $found[-1]{text} .= $_;
        } elsif ($console) {
            if (!s/^\$ //) {
                $found[-1]{shown} .= $_ if @found;
                next;
            }
            push @found, { line => $line, text => $_, shown => '' };
        } else {
            next if /^\s*(?:#.*)?$/;
            push @found, { line => $line, text => $_, shown => '' };
        }

        $open = unfinished($found[-1]{text});
    }

    return @found;
}


=item here(CONF)

The configuration as this machine can load it: the module's path, folders of
the system as ones below tmp_dir(), addresses instead of names that would have
to be resolved.

=back

=cut

our $folder;     # in the place of tmp_dir(), for a process that has none

sub here {
    my ($conf) = @_;
    my $tmp = $folder // AIRoute::tmp_dir();
    my $module = $ENV{TEST_NGINX_LOAD_MODULES};
    my $temp = join "\n", map { "${_}_temp_path $tmp/$_;" }
                          qw(client_body proxy fastcgi uwsgi scgi);

    $conf =~ s/^load_module .*;$/$module ? "load_module $module;" : ''/gme;
    $conf =~ s{(?<=[\s:=])/(?:var/log/nginx|var/(?:lib|spool)/nginx-ai
                              |var/(?:lib|spool)|run|etc/nginx/ai
                              |etc/nginx)/}{$tmp/}gx;
    $conf =~ s{(?<=state=)/var/lib/}{$tmp/}g;
    $conf =~ s{(?<==)/var/spool/}{$tmp/}g;
    $conf =~ s{(?<==)/var/lib/nginx-ai\b}{$tmp/state}g;
    $conf =~ s{\b(server +)[a-z][\w.-]*(:\d+)}{${1}127.0.0.1$2}g;
    $conf =~ s{(\brediss?://(?:\w+\@)?)[a-z][\w.-]*}{${1}127.0.0.1}g;
    $conf =~ s{^\s+\w+_temp_path\s.*;\n}{}gm;
    $conf =~ s/^http \{\n/http {\n$temp\n/m;

    return $conf;
}

1;
