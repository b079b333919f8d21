# frozen_string_literal: true

require "postern/tokens"

module Postern
  # Makes the URLs of an Active Storage service, which stores the blobs.
  module Urls
    # The fields of a token that the service or a call may set. Any other is an error, as in Postern.
    OPTIONS = %i[subject max_uses resume_for bind confirm ip limit_rate size sender].freeze

    # A token may have 255 UTF-16 units, of which a character can take two.
    MAX_NAME_LENGTH = 120

    attr_reader :mount, :site, :tokens

    def initialize(mount: nil, url: nil, site: nil, options: {}, closed_if_down: false, public: false, **others)
      raise ArgumentError, "public: expected false, because a permanent URL has no token" if public
      raise ArgumentError, "mount: expected a prefix such as /download/, got #{mount}" unless mount.to_s.match?(%r{\A/([^/]+/)*\z})

      super(**others.except(*Tokens::SETTINGS))
      @mount = mount
      @url = url.to_s.chomp("/")
      @site = site
      @options = options.symbolize_keys
      @closed_if_down = closed_if_down
      @down_until = 0
      # The disk service ignores a key that it does not know. The client of S3 rejects it.
      @tokens = Tokens.new(**(respond_to?(:root) ? others.except(:root) : others.slice(*Tokens::SETTINGS)))
    rescue ArgumentError => error
      raise ArgumentError, "Postern: #{error.message}"
    end

    # Unlike that of the base class, the event does not contain the URL: the log would show the token.
    def url(key, **options)
      instrument(:url, key: key) { private_url(key, **options) }
    end

    # Ends all URLs of a subject, such as a user ID. Returns `revoked` and `signed_before`.
    delegate :revoke_subject, to: :tokens

    private
      # With `closed_if_down: false`, it raises while Postern is down.
      def private_url(key, expires_in:, filename:, content_type: nil, disposition: nil, closed_if_down: @closed_if_down, **options)
        options = @options.merge(options)
        unknown = options.keys - OPTIONS
        raise ArgumentError, "Postern: unknown option #{unknown.to_sentence}. Known: #{OPTIONS.to_sentence}" if unknown.any?

        seconds = expires_in.to_i
        raise ArgumentError, "expires_in: expected a number of seconds, got #{expires_in.inspect}" unless seconds.positive?

        grant = {
          path: mount + name_for(key, content_type),
          site: site,
          filename: clean(filename),
          disposition: disposition.to_s == "attachment" ? "attachment" : "inline",
          subject: Current.user&.to_s,
          **options
        }
        url = closed_if_down ? link_or_closed(grant.compact, seconds) : tokens.url(grant.compact, seconds)
        # With POSTERN_PUBLIC_URL, the API adds the origin.
        url.start_with?("/") ? "#{@url}#{url}" : url
      end

      # While Postern hangs, a page with many URLs must wait for it only once.
      def link_or_closed(grant, seconds)
        now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
        return tokens.url(grant, seconds) if now >= @down_until

        Tokens.encode(grant[:path])
      rescue Error => error
        # Not if it rejects one of these files.
        @down_until = now + Tokens::TIMEOUT_SECONDS unless error.message.include?("rejected the call: 4")
        Rails.logger.error("Postern issued no token: #{error.message}")
        Tokens.encode(grant[:path])
      end

      # `sanitized` leaves some control characters.
      def clean(filename)
        filename.sanitized.gsub(/[[:cntrl:]]/, "-").last(MAX_NAME_LENGTH).presence || "file"
      end
  end
end
