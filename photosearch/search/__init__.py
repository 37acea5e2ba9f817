"""The online path: from a shopper's photo to ranked cards."""
