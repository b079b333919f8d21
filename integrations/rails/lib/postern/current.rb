# frozen_string_literal: true

require "active_support/current_attributes"

module Postern
  # What the tokens of a request have in common.
  class Current < ActiveSupport::CurrentAttributes
    # Your name for the user, by which Postern finds and revokes issued tokens.
    attribute :subject
  end
end
