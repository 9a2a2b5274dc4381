# Copyright (C) nginx-ai-route contributors

package AICheck;

=head1 NAME

AICheck - for test files whose blocks are Perl that runs while nginx does

=head1 SYNOPSIS

    use lib 't/lib';
    use AIRoute providers => [qw(a b)];
    use Test::Nginx::Socket 'no_plan';
    use AICheck;
    use AIClient;

    check_blocks(http => $http, reset => [qw(a b)],
                 perl => sub { eval shift });
    run_tests();

    __DATA__

    === TEST 1: a route of its own
    --- routes
    ai_route other { target b; }
    --- check
    is(ask(model => 'other')->{status}, 200, 'served');

A block's "routes" is added to what all of them share in http.  Each has a
nginx of its own.

=head2 Functions

=cut

use strict;
use warnings;

use AIRoute ();
use AIServer ();
use Exporter 'import';
use Test::More ();

our @EXPORT = qw(check_blocks);


=over

=item check_blocks(NAME => VALUE...)

    http           directives for http, or CODE that makes them for a block
    accounts       what comes after them, unless a block has "accounts"
    location       more of the location /v1/
    config         more locations; there are /v1/, /ai/ and /up
    no_error_log   list of patterns, or CODE that makes it for a block
    reset          providers whose counters and faults are gone before a check
    before         CODE to run before a check
    perl           C<sub { eval shift }>: it is the file's, so that checks see
                   the file's variables

=back

=cut

sub check_blocks {
    my %o = (http => '', accounts => '', location => '', config => '',
             no_error_log => [], reset => [], before => sub { }, @_);

    Test::Nginx::Util::add_block_preprocessor(sub { prepare($_[0], \%o) });

    Test::Nginx::Socket::add_response_body_check(sub {
        my ($block, undef, undef, undef, $dry_run) = @_;
        my $name = $block->name;

        return if $dry_run || !defined $block->check;

        AIRoute::provider_reset(@{ $o{reset} });
        $o{before}->($block);
        $o{perl}->("#line 1 \"$name\"\n" . $block->check . "\n;1")
            or Test::More::fail("$name - check died: $@");
        AIServer::end_all();
    });
}


sub prepare {
    my ($block, $o) = @_;
    my ($http, $not) = map { ref($_) eq 'CODE' ? $_->($block) : $_ }
                           @{$o}{qw(http no_error_log)};
    my $accounts = defined $block->accounts ? $block->accounts
                                            : $o->{accounts};

    # a name makes it a configuration of its own
    $block->set_value('http_config', '# ' . $block->name . "\n$http$accounts"
                                     . ($block->routes || ''));
    $block->set_value('config',
                      "location /v1/ { ai_pass; $o->{location} }\n"
                      . 'location /ai/ { ai_status '
                      . "admin=sha256:$ENV{TEST_NGINX_ADMIN}; }\n"
                      . "location = /up { return 204; }\n$o->{config}");
    $block->set_value('request', "GET /up\n");
    $block->set_value('error_code', 204) unless defined $block->must_die;

    AIRoute::add_pattern($block, 'no_error_log', $_) for @$not;
}

1;
