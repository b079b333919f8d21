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

    def initialize(mount: nil, url: nil, site: nil, options: {}, public: false, **others)
      raise ArgumentError, "public: expected false, because a permanent URL has no token" if public
      raise ArgumentError, "mount: expected a prefix such as /download/, got #{mount}" unless mount.to_s.match?(%r{\A/([^/]+/)*\z})

      settings, of_service = others.partition { |name, _| Tokens::SETTINGS.include?(name) }.map(&:to_h)
      begin
        super(**of_service)
      rescue ArgumentError => error
        raise ArgumentError, "Postern: #{error.message}"
      end
      @mount = mount
      @url = url.to_s.chomp("/")
      @site = site
      @options = options.symbolize_keys
      @tokens = Tokens.new(**settings)
    end

    # Unlike that of the base class, the event does not contain the URL: the log would show the token.
    def url(key, **options)
      instrument(:url, key: key) { private_url(key, **options) }
    end

    # Ends all URLs of a subject, such as a user ID. Returns `revoked` and `signed_before`.
    delegate :revoke_subject, to: :tokens

    private
      def private_url(key, expires_in:, filename:, content_type: nil, disposition: nil, **options)
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
        url = tokens.url(grant.compact, seconds)
        # With POSTERN_PUBLIC_URL, the API adds the origin.
        url.start_with?("/") ? "#{@url}#{url}" : url
      end

      # `sanitized` leaves some control characters.
      def clean(filename)
        filename.sanitized.gsub(/[[:cntrl:]]/, "-").last(MAX_NAME_LENGTH).presence || "file"
      end
  end
end
