# frozen_string_literal: true

require "active_support/current_attributes"

module Postern
  # What the tokens of a request have in common.
  class Current < ActiveSupport::CurrentAttributes
    # Your name for the user, by which Postern finds and revokes tokens; or a block that returns it.
    attribute :subject

    # The time of the user's last login, for URLs that stay equal.
    attribute :since

    def user
      subject.respond_to?(:call) ? subject.call : subject
    end
  end
end
