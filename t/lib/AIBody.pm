# Copyright (C) nginx-ai-route contributors

package AIBody;

=head1 NAME

AIBody - for test files whose blocks say what of a body must arrive

=head1 SYNOPSIS

    use lib 't/lib';
    use AIRoute providers => [qw(a b)];
    use Test::Nginx::Socket 'no_plan';
    use AIBody;

    body_blocks(http => $http, reset => [qw(a b)]);
    run_tests();

    __DATA__

    === TEST 1: the name is exchanged
    --- table
    {"model":"new"} => {"model":"provider/new-name-2024"}

A block's "table" has what is sent, one body per line, and after " => " what
must arrive (nothing: the same); "bodies" is the same as a Perl list.  "at"
names the provider that answers (a), "path" the endpoint, "where" how nginx
keeps the body (memory, file, or directives), "faults" what the providers are
told before.  Every byte counts: the lengths and hashes of both are compared,
and the texts where they are short.

=head2 Functions

=cut

use strict;
use warnings;

use AIRoute ();
use Digest::SHA ();
use Exporter 'import';
use JSON::PP ();
use Test::More ();

our @EXPORT = qw(body_blocks);

my $json = JSON::PP->new->utf8;
my %where = (memory => 'client_body_buffer_size 32m;',
             file => 'client_body_buffer_size 8k;');


=over

=item body_blocks(NAME => VALUE...)

    http       directives for http, or CODE that makes them for a block
    headers    CODE that makes more headers for a block
    reset      providers whose counters and faults are gone before a block
    also       CODE for a block, the client's answer and the check's name

=back

=cut

sub body_blocks {
    my %o = (http => '', headers => sub { '' }, reset => [], also => sub { },
             @_);

    Test::Nginx::Util::add_block_preprocessor(sub { prepare($_[0], \%o) });

    Test::Nginx::Socket::add_response_body_check(sub {
        my ($block, $body, $i) = @_;
        my $name = $block->name . ', request ' . $i;

        arrived($block->{_arrived}[$i], $block->at || 'a', $name);
        $o{also}->($block, $body, $name);
    });
}


# two lists: what is sent, and what must arrive

sub pairs {
    my $block = shift;
    my @pairs = defined $block->table
                ? map { [split / => /, $_, 2] } split /\n/, $block->table
                : @{ $block->bodies || [] };

    return [map { $_->[0] } @pairs],
           [map { defined $_->[1] ? $_->[1] : $_->[0] } @pairs];
}


sub prepare {
    my ($block, $o) = @_;
    my ($sent, $arrived) = pairs($block);
    my $where = $block->where || '';
    my $path = defined $block->path ? $block->path : 'chat/completions';
    my $headers = (defined $block->more_headers ? $block->more_headers : '')
                  . $o->{headers}->($block);

    $block->set_value('http_config', ref $o->{http} ? $o->{http}->($block)
                                                    : $o->{http});
    $block->set_value('config', "location /v1/ {\n    client_max_body_size 64m;"
                                . "\n    " . ($where{$where} || $where)
                                . "\n    ai_pass;\n}\n");
    $block->set_value('timeout', 20);
    $block->set_value('request', [map { "POST /v1/$path\n$_" } @$sent]);
    $block->set_value('more_headers',
                      [map { 'Content-Length: ' . length() . "\n$headers" }
                           @$sent]);
    $block->{_arrived} = $arrived;

    AIRoute::provider_reset(@{ $o->{reset} });

    for my $line (split /\n/, defined $block->faults ? $block->faults : '') {
        my ($who, $script) = split ' ', $line, 2;
        AIRoute::provider_fault($who, $script);
    }
}


sub arrived {
    my ($want, $at, $name) = @_;
    my $last = $json->decode(AIRoute::provider_get($at, '/__last'));
    my %h = map { lc $_->[0] => $_->[1] } @{ $last->{headers} || [] };

    utf8::encode($last->{body}) if defined $last->{body};
    Test::More::is($last->{body}, $want, "$name - what arrived")
        if length $want < 4096 && $want !~ /[^\x00-\x7f]/;
    Test::More::is($last->{body_bytes}, length $want, "$name - length");
    Test::More::is($h{'content-length'}, length $want,
                   "$name - Content-Length");
    Test::More::is($last->{body_sha1}, Digest::SHA::sha1_hex($want),
                   "$name - sha1");
    Test::More::is($h{'transfer-encoding'}, undef, "$name - no chunks");
}

1;
