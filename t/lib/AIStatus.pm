# Copyright (C) nginx-ai-route contributors

package AIStatus;

=head1 NAME

AIStatus - what GET status answers, beside what docs/status.md says of it

=head1 SYNOPSIS

    use AIRoute;
    use Test::Nginx::Socket 'no_plan';
    use AIStatus;

    my $s = status();
    is($s->{accounts}[0]{state}, 'open', 'state');
    is(account($s, 'a')->{inflight}, 0, 'nothing runs');

    my $spec = documented();
    is_deeply([differences($s, $spec)], [], 'all of it is documented');

=head2 Functions

=cut

use strict;
use warnings;

use AIRoute ();
use Cwd ();
use Exporter 'import';
use File::Basename ();
use HTTP::Tiny ();
use JSON::PP ();

our @EXPORT = qw(status status_answer account model cell documented
                 differences seen_fields);

my $root = Cwd::realpath(File::Basename::dirname(__FILE__) . '/../..');


=over

=item status_answer([QUERY[, METHOD]]), status([QUERY])

The answer, and what its JSON says; it dies if that is not JSON in UTF-8.

=cut

sub status_answer {
    my ($query, $method) = @_;
    my $port = Test::Nginx::Util::server_port();
    my $url = "http://127.0.0.1:$port/ai/status"
              . (defined $query ? "?$query" : '');

    return HTTP::Tiny->new->request($method || 'GET', $url);
}

sub status {
    my $r = status_answer(@_);

    die "status: $r->{status} $r->{content}\n" unless $r->{status} == 200;
    return JSON::PP->new->utf8->decode($r->{content});
}


=item account(STATUS, NAME), model(STATUS, ACCOUNT, MODEL),
cell(STATUS, ACCOUNT, MODEL[, STREAM])

Of these names; undef if there is none.

=cut

sub account {
    my ($s, $name) = @_;

    return (grep { $_->{name} eq $name } @{ $s->{accounts} })[0];
}

sub model {
    my ($s, $account, $model) = @_;
    my $a = account($s, $account) or return undef;

    return (grep { $_->{model} eq $model } @{ $a->{models} })[0];
}

sub cell {
    my ($s, $account, $model, $stream) = @_;
    my $m = model($s, $account, $model) or return undef;

    return (grep { !$_->{stream} == !$stream } @{ $m->{cells} })[0];
}


=item documented()

What docs/status.md names: a hash of fields, each with a hash of those in it,
which is empty for what has none.  Words in brackets behind a field are its
values or what is said of it, unless they are

    (each `a`, `b`)    (`{"a","b"}`)    (the same)

=cut

sub documented {
    my ($doc) = AIRoute::slurp("$root/docs/status.md")
                =~ /^## Totals\n(.*?)^## History/ms
        or die "docs/status.md has no such chapters\n";
    my ($totals, $doc_status) = split /^## Status\n/m, $doc;
    my ($top, $sink, $account) = map { table($_) }
        $doc_status =~ /(?<=\n\n)((?:\|.*\n)+)/g;
    my %part = (totals => table($totals), sink => $sink,
                accounts => $account);

    for (['cell', 'cells'], ['breaker', 'breaker'], ['route', 'routes'],
         ['key', 'list'], ['event', 'events'])
    {
        my ($name, $field) = @$_;
        $doc_status =~ /^An? $name: (.*?)\n\n/ms
            or die "docs/status.md has no \"A $name:\"\n";
        $part{$field} = fields(sentence($1));
    }

    $doc_status =~ /^Limits: (.*?)\n\n/ms or die "no \"Limits:\"\n";
    $part{limits} = fields($1);

    put($top, \%part);
    return $top;
}

# a field that is explained elsewhere has what is said there, at all depths

sub put {
    my ($fields, $part) = @_;

    for (sort keys %$fields) {
        # "models" of an account and of the whole are two
        $fields->{$_} = { %{ $part->{$_} } } if $part->{$_};
        put($fields->{$_}, $part);
    }
}

sub table {
    my $text = shift;
    my %fields;

    for (split /\n/, $text) {
        my ($names, $rest) = /^\| (`.*?) \| (.*?) \|$/ or next;
        # only objects have others in them
        my $in = fields($rest);
        $in = {} unless $rest =~ /^(?:list: )?`\w+`/ && !values_of($names)
                        || $names =~ /`(?:retry_budget|check)`/;

        if ($rest =~ /`(\{[^`]*\})`/) {
            $in = { map { $_ => {} } $1 =~ /"(\w+)"/g };
        }

        $fields{$_} = { %$in } for $names =~ /`(\w+)`/g;
    }

    return \%fields;
}

# fields whose second column has values
sub values_of { return $_[0] =~ /`(?:type|operate|state|ok)`/ }

# up to a full stop outside of brackets

sub sentence {
    my $text = shift;
    my $depth = 0;

    for my $i (0 .. length($text) - 1) {
        my $c = substr $text, $i, 1;
        $depth += $c eq '(' ? 1 : $c eq ')' ? -1 : 0;
        return substr $text, 0, $i
            if $depth == 0 && substr($text, $i) =~ /^\.(?:\s|$)/;
    }

    return $text;
}

sub fields {
    my $text = shift;
    my (%fields, @last, $before);

    while ($text =~ /`(\w+)`|\(((?:[^()]|\((?:[^()])*\))*)\)/g) {

        if (defined $1) {
            next if $1 =~ /^(?:null|true|false)$/;
            $fields{$1} = {};
            @last = ($1);
            next;
        }

        my $in = $2;
        my $sub = $in =~ /^`?\{(.*?)\}/ ? { map { $_ => {} } $1 =~ /"(\w+)"/g }
                : $in =~ /^each (.*)/s ? fields($1)
                : $in =~ /^the same/ ? $before : undef;

        next unless $sub && @last;
        $before = $sub;
        $fields{ $last[0] } = { %$sub };
    }

    return \%fields;
}


=item differences(VALUE, SPEC), seen_fields(VALUE)

What VALUE has that SPEC has not, and where an object of VALUE lacks one, as
"+accounts/x" and "-accounts/x"; and the paths of all fields of objects in
VALUE.  Members of a list are looked at one by one, null has nothing in it.

=back

=cut

sub differences {
    my ($value, $spec) = @_;
    my %found;

    compare($value, $spec, '', \%found);
    return sort keys %found;
}

sub compare {
    my ($value, $spec, $at, $found) = @_;

    if (ref $value eq 'ARRAY') {
        compare($_, $spec, $at, $found) for @$value;
        return;
    }

    return if ref $value ne 'HASH';

    for (keys %$value) {
        $found->{"+$at$_"} = 1, next unless $spec->{$_};
        compare($value->{$_}, $spec->{$_}, "$at$_/", $found);
    }

    for (keys %$spec) {
        $found->{"-$at$_"} = 1 unless exists $value->{$_};
    }
}

sub seen_fields {
    my ($value, $at) = (@_, '');

    return map { seen_fields($_, $at) } @$value if ref $value eq 'ARRAY';
    return () if ref $value ne 'HASH';
    return map { ("$at$_", seen_fields($value->{$_}, "$at$_/")) }
               sort keys %$value;
}

1;
